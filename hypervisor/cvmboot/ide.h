/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PIIX3's IDE function (Intel 290550, "IDETIM"): Linux leaves channels alone that no firmware enabled. */
#ifndef CVMBOOT_IDE_H
#define CVMBOOT_IDE_H

/* Enables both channels, if the device is there. It is the host's: what comes from it is not to be believed. */
void ide_init(void);

#endif
