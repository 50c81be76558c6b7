"""What a model thinks, told from what it answers: by the marks of its template's family."""
