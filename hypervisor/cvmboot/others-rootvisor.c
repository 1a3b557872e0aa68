/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "variant.h"

const bool variant_takes_others = true;
