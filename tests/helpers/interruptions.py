"""A process that dies where a test wants it to."""


class Killed(BaseException):
    """Stands for the end of the process; no `except Exception` may swallow it."""


class Dying:
    """A checkpoint that kills the process after some epochs were kept."""

    def __init__(self, checkpoint, epochs):
        self.checkpoint, self.left = checkpoint, epochs

    def load(self):
        return self.checkpoint.load()

    def due(self):
        return True

    def save(self, state):
        self.checkpoint.save(state)
        self.left -= 1
        if self.left == 0:
            raise Killed
