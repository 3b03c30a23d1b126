"""Dead letters: what failed for good is listed, shown, made anew or put aside."""
