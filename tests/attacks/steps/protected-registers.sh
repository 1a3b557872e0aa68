#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# protected-registers.sh NAME: the registers of a protected guest: none of the patterns may be seen.
. "$(dirname "$0")/lib.sh"
SEED=${SEED:-11}
registers_under_attack protected.registers expect_nothing "$1"
registers_under_poison protected.registers unchanged "$1"
attack_end
