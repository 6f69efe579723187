"""What fits of one observed table say: answers as tables, and warnings in words."""
