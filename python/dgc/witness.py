"""What the framework's own gradients witness against a verdict: a class for each gradient of a step."""
import math

# Of the largest gradient of the step: rounding leaves so much of sums that cancel, in f32. An absolute bound would not
# do, as noise grows with the loss.
NOISE = 1e-6


def classify(sizes):
    """The classes (docs/import.md) of one step's gradients, from the largest magnitude in each; None where there is
    none."""
    largest = max((s for s in sizes if s is not None and math.isfinite(s)), default=0.0)

    def of(size):
        if size is None:
            return "none"
        if not math.isfinite(size):
            return "nonfinite"
        return "zero" if size == 0 else "noise" if size <= NOISE * largest else "live"
    return [of(s) for s in sizes]
