"""What people would use in our place: how each is installed, started and asked for a picture."""
