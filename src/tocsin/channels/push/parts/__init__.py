"""What providers of push share: signatures, options, and texts that fit."""
