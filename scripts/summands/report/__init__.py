"""What people read: figures, the summary, and pages generated from the code."""
