"""The page at `/`: what was built of page/, and what a browser may do on it."""
