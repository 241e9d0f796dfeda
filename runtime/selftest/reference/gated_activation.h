// The gates of SwiGLU and GeGLU in double precision.
#pragma once

namespace regroup::reference {

double silu(double z);
// PyTorch's gelu(approximate="tanh").
double gelu_tanh(double z);

}  // namespace regroup::reference
