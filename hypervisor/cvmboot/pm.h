/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PIIX4's power management function: places its registers at ACPI_PM_BASE. */
#ifndef CVMBOOT_PM_H
#define CVMBOOT_PM_H

#include "reason.h"

/* Returns R_OK or R_NO_PM. Availability only: the device is the host's. */
enum reason pm_init(void);

#endif
