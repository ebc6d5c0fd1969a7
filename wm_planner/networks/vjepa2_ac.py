"""The action-conditioned predictor of V-JEPA 2-AC: predicts the next frame's tokens.

Parameters are named as in facebookresearch/vjepa2 (MIT), so its checkpoint loads, and the rotary position
embeddings keep its tiled order. Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from wm_planner.errors import ShapeError
from wm_planner.networks.masks import frame_causal
from wm_planner.networks.rope import conditioned_positions, rope_tables
from wm_planner.networks.transformer import Block, KeysValues, initialise
from wm_planner.networks.vjepa2 import VitSize

AC_PREDICTOR = VitSize(dim=1024, depth=24, heads=16)
POSE_SIZE = 7
EXTRINSICS_SIZE = 6


class AcPredictor(nn.Module):
    """A frame-causal transformer over [action, state, (extrinsics,) P patches] per frame.

    The column positions of a wide image are compressed to the range of its rows: the reference does so, and
    weights trained on wide images expect it.

    Args:
        size: of the transformer.
        dim: channels of the encoder's tokens.
        grid: (rows, columns) of tokens per frame.
        frames: largest number of frames per call.
        extrinsics: whether a token of the camera pose follows the state; its weights always exist.
    """

    cos: Tensor
    sin: Tensor
    mask: Tensor

    def __init__(
        self, size: VitSize, dim: int, grid: tuple[int, int], frames: int = 16, extrinsics: bool = False
    ) -> None:
        super().__init__()
        self.frames = frames
        self.conditions = 3 if extrinsics else 2
        self.predictor_embed = nn.Linear(dim, size.dim)
        self.action_encoder = nn.Linear(POSE_SIZE, size.dim)
        self.state_encoder = nn.Linear(POSE_SIZE, size.dim)
        self.extrinsics_encoder = nn.Linear(EXTRINSICS_SIZE, size.dim)
        self.predictor_blocks = nn.ModuleList(
            Block(size.dim, size.heads, size.mlp_ratio) for _ in range(size.depth)
        )
        self.predictor_norm = nn.LayerNorm(size.dim, eps=1e-6)
        self.predictor_proj = nn.Linear(size.dim, dim)
        initialise(self, self.predictor_blocks)
        positions = conditioned_positions(frames, self.conditions, *grid).double()  # (T, C + P, 3)
        positions[..., 2] *= grid[0] / grid[1]
        cos, sin = rope_tables(positions.flatten(0, 1), size.dim // size.heads, "tiled")
        per_frame = (*positions.shape[:2], -1)  # (T, C + P, head_dim)
        self.register_buffer("cos", cos.reshape(per_frame), persistent=False)
        self.register_buffer("sin", sin.reshape(per_frame), persistent=False)
        self.register_buffer("mask", frame_causal(frames, positions.shape[1]), persistent=False)

    def forward(
        self, tokens: Tensor, action: Tensor, state: Tensor, extrinsics: Tensor | None = None
    ) -> Tensor:
        """The tokens of frames 1 to T, (B, T, P, dim), from those of frames 0 to T - 1.

        Args:
            tokens: layer-normed, shape (B, T, P, dim).
            action: from frame t to t + 1, (B, T, 7), a difference of poses as `control.pose` defines it.
            state: pose at frame t, (B, T, 7): m, rad, gripper position.
            extrinsics: camera pose at frame t, (B, T, 6).

        Raises:
            ShapeError: for more frames than the predictor was built for.
        """
        frames = tokens.shape[1]
        if frames > self.frames:
            raise ShapeError(
                f"got {frames} frames, the predictor takes at most {self.frames}: build it with more `frames`"
            )
        x = self._join(tokens, action, state, extrinsics)  # (B, T, C + P, size.dim)
        length = frames * x.shape[2]
        cos, sin = self.cos[:frames].flatten(0, 1), self.sin[:frames].flatten(0, 1)
        mask = None if frames == 1 else self.mask[:length, :length]
        sequence = x.flatten(1, 2)
        for block in self.predictor_blocks:
            sequence = block(sequence, cos, sin, mask)
        return self._project(sequence.reshape(x.shape))

    def extend(
        self,
        frame: Tensor,
        tokens: Tensor,
        action: Tensor,
        state: Tensor,
        past: Sequence[KeysValues],
        extrinsics: Tensor | None = None,
    ) -> tuple[Tensor, list[KeysValues]]:
        """Process one more frame with cached keys and values of the earlier ones.

        The result equals the last frame of `forward` over frames 0 to `frame`: because of the causal mask,
        keys and values of a frame do not depend on later frames.

        Args:
            frame: index of the new frame, a scalar integer, or one per sample, (B,).
            tokens, action, state, extrinsics: of the new frame, without the axis T.
            past: rotated keys and values of frames from 0 on, per layer, (B or 1, heads, L, head_dim).
                Entries after the first `frame` frames are ignored, so the cache may have a fixed size.

        Returns:
            The tokens of the next frame, (B, P, dim), and the rotated keys and values of the new frame, per
            layer, (B, heads, C + P, head_dim).
        """
        camera = None if extrinsics is None else extrinsics.unsqueeze(1)
        x = self._join(tokens.unsqueeze(1), action.unsqueeze(1), state.unsqueeze(1), camera).squeeze(1)
        frame = frame.reshape(-1)  # (B or 1,)
        cos, sin = self.cos[frame].unsqueeze(1), self.sin[frame].unsqueeze(1)  # (B or 1, 1, C + P, head_dim)
        tokens_before = (frame * x.shape[1]).unsqueeze(1)
        earlier = torch.arange(past[0][0].shape[2], device=x.device) < tokens_before
        seen = pad(earlier, (0, x.shape[1]), value=True)  # (B or 1, L + C + P)
        new: list[KeysValues] = []
        for block, old in zip(self.predictor_blocks, past, strict=True):
            assert isinstance(block, Block)
            x, own = block.extend(x, cos, sin, old, seen)
            new.append(own)
        return self._project(x.unsqueeze(1)).squeeze(1), new

    def empty_past(self) -> list[KeysValues]:
        """The empty cache, for `extend` at frame 0."""
        first = self.predictor_blocks[0]
        assert isinstance(first, Block)
        empty = self.cos.new_empty(1, first.attn.heads, 0, self.cos.shape[-1])
        return [(empty, empty) for _ in self.predictor_blocks]

    def _join(self, tokens: Tensor, action: Tensor, state: Tensor, extrinsics: Tensor | None) -> Tensor:
        conditions = [self.action_encoder(action), self.state_encoder(state)]
        if extrinsics is not None:
            conditions.append(self.extrinsics_encoder(extrinsics))
        if len(conditions) != self.conditions:
            got, wanted = ("no", "with") if extrinsics is None else ("got", "without")
            raise ShapeError(f"{got} extrinsics, but the predictor was built {wanted} them; see `extrinsics`")
        return torch.cat((torch.stack(conditions, dim=2), self.predictor_embed(tokens)), dim=2)

    def _project(self, x: Tensor) -> Tensor:
        """The patch tokens, projected to the encoder's channels."""
        projected: Tensor = self.predictor_proj(self.predictor_norm(x[:, :, self.conditions :]))
        return projected
