"""The expression networks: a 48x48 luma face in, seven FER2013 and eight FER+ logits out.

`ExpressionNet` is the one that is shipped; `PlainNet` and `DepthwiseNet` exist for the comparison in docs/models.md.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from moodtrain.layers import Residual, conv_bn

FACE_PX = 48
# The order of FER2013's labels; the FER+ head adds contempt.
FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FERPLUS_CLASSES = (*FER2013_CLASSES, "contempt")


class ExpressionNet(nn.Module):
    """Residual network of dense 3x3 convolutions: [N, 1, 48, 48] luma in 0..1 -> logits [N, 7] and [N, 8].

    Two heads share the features because the two label sets disagree on four images of ten: FER2013's label is one
    opinion, FER+ holds ten votes. Learning both regularises each.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 40, 80, 160), middle: tuple[int, ...] = (32, 72, 96), dropout: float = 0.2):
        super().__init__()
        a, b, c, d = widths
        self.features = nn.Sequential(
            conv_bn(1, a),
            conv_bn(a, b, stride=2),
            Residual(b, b, middle=middle[0]),
            Residual(b, c, stride=2),
            Residual(c, c, middle=middle[1]),
            Residual(c, d, stride=2),
            Residual(d, d, middle=middle[2]),
        )
        self.dropout = nn.Dropout(dropout)
        self.fer2013 = nn.Linear(d, len(FER2013_CLASSES))
        self.ferplus = nn.Linear(d, len(FERPLUS_CLASSES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.dropout(self.features(x).mean((2, 3)))
        return self.fer2013(z), self.ferplus(z)
