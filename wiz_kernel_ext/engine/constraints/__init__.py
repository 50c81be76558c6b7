"""What an answer may be: compiled, followed token by token, and looked at again."""
