"""Files: written whole or not at all, and read with distrust; where the code itself lies.

May import `dropnet.errors` alone.
"""
