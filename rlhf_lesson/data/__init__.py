"""What people said of texts, and the way from there to what a loop takes."""
