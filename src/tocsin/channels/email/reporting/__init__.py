"""What providers of email share about what their services report."""
