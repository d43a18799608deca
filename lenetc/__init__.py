"""lenetc: PyTorch-style training code becomes one plain ONNX model that stock ONNX Runtime runs.

Use it as the tutorial uses torch: `import lenetc as torch`. Names are PyTorch's; docs/ has what is its own
(`compile`, programs and their stages, the exported files).
"""

from typing import TYPE_CHECKING

from lenetc import installed as _installed
from lenetc.operations import methods as _methods
from ir.types import bf16 as bfloat16, bool_ as bool, f16 as float16, f32 as float32, f64 as float64
from ir.types import DType as dtype, f16 as half, f32 as float, f64 as double
from ir.types import i8 as int8, i16 as int16, i32 as int32, i64 as int64, u8 as uint8
from ir.types import i16 as short, i32 as int, i64 as long
from math import e, inf, nan, pi
from lenetc.autograd import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled
from lenetc.autograd import no_grad, set_grad_enabled
from lenetc.artifact.average import average_states, ema_state
from lenetc.artifact.checkpoint import save
from lenetc.artifact.gradient import export_gradient
from lenetc.compiler.compile import compile
from lenetc.compiler.retrace import RetraceWarning
from lenetc.artifact.load import load
from lenetc.importer.door import from_onnx
from lenetc.importer.examine import examine
from lenetc.migration import LossType, OptimType, generate_artifacts, load_ort_checkpoint
from lenetc.runtime.device import device
from lenetc.operations.creation import *
from lenetc.operations.dense import *
from lenetc.operations.elementwise import *
from lenetc.operations.in_place import *
from lenetc.operations.in_place_moves import *
from lenetc.operations.indexing import *
from lenetc.operations.memory import *
from lenetc.operations.products import *
from lenetc.operations.reductions import *
from lenetc.runtime import get_num_threads, set_num_threads
from lenetc.operations.autocast import autocast, clear_autocast_cache, get_autocast_dtype
from lenetc.operations.autocast import (
    is_autocast_cache_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
)
from lenetc.operations.autocast import set_autocast_dtype, set_autocast_enabled
from lenetc.runtime.precision import get_float32_matmul_precision, set_float32_matmul_precision
from lenetc.evaluation.random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from lenetc.operations.shaping import *
from lenetc.operations.shaping import transposed as t
from lenetc.operations.sorting import *
from lenetc.tensors.convert import is_tensor, result_type
from lenetc.tensors.dtypes import *
from lenetc.operations.softmaxes import *
from lenetc.tensors.formats import *
from lenetc.tensors.formats import layout, memory_format
from lenetc.tensors.printing import set_printoptions
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor
from lenetc.tuning.tune import tune
from lenetc.version import __version__
from lenetc import debug as _debug
from lenetc.operations.out import give_out as _give_out
from lenetc import amp, cuda, distributions, fft, func, linalg, nn, optim, signal, special, testing, utils
from lenetc.signal.windows import bartlett_window, blackman_window, hamming_window, hann_window, kaiser_window
from lenetc.nn.functional import bilinear, celu, celu_, cosine_similarity, group_norm, hardshrink, layer_norm
from lenetc.nn.functional import pairwise_distance, pdist, prelu, relu_, rms_norm, rrelu, rrelu_, selu, selu_
from lenetc.nn.functional import threshold, threshold_
from lenetc.func.derivatives import vmap
from lenetc.nn.functional import adaptive_avg_pool1d, avg_pool1d, channel_shuffle, conv1d, conv2d, conv3d
from lenetc.nn.functional import conv_transpose1d, conv_transpose2d, conv_transpose3d
from lenetc.nn.functional import max_pool1d, max_pool2d, max_pool3d, pixel_shuffle, pixel_unshuffle
from lenetc.nn.functional.spatial.sampling import grid_sampler, grid_sampler as grid_sampler_2d
from lenetc.nn.functional.spatial.sampling import grid_sampler as grid_sampler_3d
from lenetc.cuda import OutOfMemoryError
from lenetc.accepted.settings import (
    _assert,
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_deterministic_debug_mode,
    get_num_interop_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_storage,
    is_warn_always_enabled,
    set_default_device,
    set_deterministic_debug_mode,
    set_flush_denormal,
    set_num_interop_threads,
    set_warn_always,
    typename,
    use_deterministic_algorithms,
)
from lenetc.evaluation.anomaly import is_anomaly_enabled
from lenetc.accepted.devices import accelerator, backends, cpu, mps, xpu
from lenetc.accepted.tracers import _C, _dynamo, fx, hub, jit, onnx
from lenetc.accepted.processes import distributed, multiprocessing
from lenetc.accepted.others import (
    profiler,
    serialization,
    sparse,
    sparse_coo_tensor,
    sparse_csr_tensor,
    types,
)
from lenetc import paths as _paths
from lenetc.evaluation import random
from lenetc import pictures as _pictures, profiling as _profiling
from lenetc.missing import names_of

_debug.configure()
_give_out(globals())

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
