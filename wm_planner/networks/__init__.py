"""Network modules that the files in `models/` share. Needs torch (extra `train`)."""
