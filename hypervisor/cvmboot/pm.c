/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pm.h"

#include "acpi.h"
#include "io.h"

#define PM_DEV		1
#define PM_FN		3
#define PM_ID		0x71138086u
#define PMBASE		0x40
#define PMREGMISC	0x80
#define PMIOSE		0x01

enum reason pm_init(void)
{
	if (pci_read32(PM_DEV, PM_FN, 0) != PM_ID)
		return R_NO_PM;
	pci_write32(PM_DEV, PM_FN, PMBASE, ACPI_PM_BASE | 1);
	pci_write8(PM_DEV, PM_FN, PMREGMISC, PMIOSE);
	return R_OK;
}
