"""Training of the demo model on one CPU thread. `demo/README.md` says in which order the files are used."""
