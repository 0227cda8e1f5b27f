#!/bin/sh
# slim.sh FOLDER: take from installed packages what only tests, compilers and debuggers read.
set -eu
cd "$1"
find . -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +
# torch's own tests, the headers for extensions in C++, and programs that only its tests start.
rm -rf torch/test torch/include
find torch/bin -type f ! -name torch_shm_manager -delete 2>/dev/null || true
# Libraries that were put beside a package (*.libs) have been patched, and do not bear it.
find . -type f \( -name '*.so' -o -name '*.so.*' \) ! -path '*.libs/*' -exec strip --strip-unneeded {} + 2>/dev/null || true
