"""Dropout whose masks are quick to draw on a CPU. Imports torch."""

import torch
from torch import nn


class Dropout(nn.Dropout):
    """Dropout as `torch.nn.Dropout`, from 16 random bits a unit on a CPU.

    Torch draws one number of its generator for each unit, which costs a fifth of the
    training step of a small network. Here one draw of 64 bits serves four units, so on a
    CPU the probability is `p` rounded to a multiple of 2^-16, and kept values are scaled
    by the inverse of the rounded share. On another device this is torch's own.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return `input` with units dropped, or as it is outside training."""
        if not self.training or self.p == 0 or input.device.type != "cpu":
            return super().forward(input)
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        n_units = input.numel()
        draws = torch.empty(-(-n_units // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = draws.view(torch.int16)[:n_units].view(input.shape).to(input.dtype)
        # whole numbers: at most 0 where a unit is dropped, at least 1 where it is kept
        kept = bits.add_(2**15 + 1 - dropped).clamp_(0, 1)
        return input * kept.mul_(2**16 / (2**16 - dropped))
