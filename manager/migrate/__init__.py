"""From another registrar to this one: what runs is read, written down, swapped and put back."""
