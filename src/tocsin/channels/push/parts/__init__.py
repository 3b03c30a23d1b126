"""What providers of push share: signatures, credentials, and texts that fit."""
