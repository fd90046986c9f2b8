"""The workflow itself: a second core, starting, and a rerun when nothing is to do."""
