"""Blocks of networks that the files of `models/` share. Needs torch (extra `train`)."""
