"""Mixed precision (torch.amp).

It may import `operations` and what that may.
"""

from lenetc.amp.functions import custom_bwd, custom_fwd
from lenetc.amp.grad_scaler import GradScaler
from lenetc.operations.autocast import autocast, is_autocast_available

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
