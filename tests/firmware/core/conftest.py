"""Property tests repeat exactly, and a busy machine fails none of them: no deadlines, examples chosen by the test's name."""

from hypothesis import settings

settings.register_profile("firmware", deadline=None, derandomize=True)
settings.load_profile("firmware")
