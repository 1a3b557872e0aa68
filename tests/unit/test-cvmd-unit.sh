#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The exposure of a unit, as systemd judges its settings. Arguments: the unit, the most that is allowed in tenths.
command -v systemd-analyze > /dev/null || { echo "systemd-analyze is not installed"; exit 77; }
systemd-analyze security --offline=yes --threshold="$2" --no-pager "$1"
