/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port I/O and PCI configuration mechanism #1. */
#ifndef CVMBOOT_IO_H
#define CVMBOOT_IO_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

#define PCI_ADDRESS	0xcf8
#define PCI_DATA	0xcfc

/* The dword of bus 0, @dev, @fn that holds register @reg. */
static inline void pci_select(unsigned int dev, unsigned int fn, unsigned int reg)
{
	outl(PCI_ADDRESS, 0x80000000u | dev << 11 | fn << 8 | (reg & 0xfc));
}

static inline uint32_t pci_read32(unsigned int dev, unsigned int fn, unsigned int reg)
{
	pci_select(dev, fn, reg);
	return inl(PCI_DATA);
}

static inline void pci_write32(unsigned int dev, unsigned int fn, unsigned int reg, uint32_t v)
{
	pci_select(dev, fn, reg);
	outl(PCI_DATA, v);
}

static inline uint8_t pci_read8(unsigned int dev, unsigned int fn, unsigned int reg)
{
	pci_select(dev, fn, reg);
	return inb(PCI_DATA + (reg & 3));
}

static inline void pci_write8(unsigned int dev, unsigned int fn, unsigned int reg, uint8_t v)
{
	pci_select(dev, fn, reg);
	outb(PCI_DATA + (reg & 3), v);
}

#endif
