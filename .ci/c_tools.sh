#!/usr/bin/env bash
# Install what the tests of the C sources need beside a compiler: clang with its sanitizers and fuzzer, a compiler for
# ARM and an emulator of its processors.
set -euo pipefail

declare -A packages=(
    [clang-14]="clang-14 libclang-rt-14-dev"
    [qemu-aarch64-static]=qemu-user-static
    [aarch64-linux-gnu-gcc]="gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
)
wanted=()
for program in "${!packages[@]}"; do
    # shellcheck disable=SC2206 # a value is a list of names
    command -v "$program" >/dev/null || wanted+=(${packages[$program]})
done
if [ ${#wanted[@]} -gt 0 ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
fi
