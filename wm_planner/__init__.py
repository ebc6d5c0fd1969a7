"""Plan with learned world models on robots and cars."""
