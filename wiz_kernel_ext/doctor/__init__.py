"""What could be wrong on this machine, looked at piece by piece: `jupyter wiz doctor`.

Each check is one small function of what it finds around it; `checks.py` lists them. None changes
anything, and none takes long but the trial of the engine.
"""
