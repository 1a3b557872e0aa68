/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ide.h"

#include "io.h"

#define IDE_DEV		1
#define IDE_FN		1
#define IDE_ID		0x70108086u
#define IDETIM		0x40		/* 16 bits a channel */
#define DECODE_ENABLE	0x80		/* in the high byte */

void ide_init(void)
{
	if (pci_read32(IDE_DEV, IDE_FN, 0) != IDE_ID)
		return;
	pci_write8(IDE_DEV, IDE_FN, IDETIM + 1, DECODE_ENABLE);
	pci_write8(IDE_DEV, IDE_FN, IDETIM + 3, DECODE_ENABLE);
}
