/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All of rv/, for what runs in RootVisor only; units that are also compiled in user space name what they use. */
#pragma once

#include "rv/asm.h"
#include "rv/boot.h"
#include "rv/log.h"
#include "rv/mem.h"
#include "rv/nested.h"
#include "rv/pcpu.h"
#include "rv/print.h"
#include "rv/smp.h"
#include "rv/vmcs.h"
