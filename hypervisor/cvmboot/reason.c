/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reason.h"

static const char *const texts[R_MAX] = {
	[R_OK] = "no error",
	[R_NO_FWCFG] = "no fw_cfg device: this firmware needs QEMU",
	[R_NO_DMA] = "fw_cfg has no DMA interface (fw_cfg_io.dma_enabled is off?)",
	[R_DMA_FAILED] = "a fw_cfg DMA transfer failed",
	[R_FWCFG_DIR] = "the fw_cfg file directory is malformed",
	[R_NO_E820] = "fw_cfg has no file etc/e820: cannot learn the size of RAM",
	[R_BAD_E820] = "etc/e820 is malformed, or names RAM that this firmware cannot use",
	[R_NO_KERNEL] = "no kernel was given: start QEMU with -kernel",
	[R_NOT_BZIMAGE] = "the kernel is no bzImage",
	[R_OLD_PROTOCOL] = "the kernel's boot protocol is older than 2.12",
	[R_NO_64BIT_ENTRY] = "the kernel has no 64-bit entry point (XLF_KERNEL_64)",
	[R_BAD_HEADER] = "the kernel's setup header contradicts itself",
	[R_KERNEL_CUT] = "the kernel file is cut short",
	[R_BAD_SETUP_DATA] = "fw_cfg's setup_data pointer lies outside the kernel",
	[R_CMDLINE_TOO_LONG] = "the command line is longer than the kernel accepts",
	[R_BAD_CMDLINE] = "the command line is not NUL-terminated",
	[R_TOO_LITTLE_RAM] = "the VM has too little memory for the kernel",
	[R_INITRD_TOO_BIG] = "the initrd does not fit between the kernel and the end of low memory",
	[R_NO_ROOTVISOR] = "no RootVisor: refusing to start a guest that asked for protection",
	[R_ABI_VERSION] = "RootVisor speaks another version of the call interface",
	[R_PROTECT_FAILED] = "PROTECT failed",
	[R_LAUNCH_INFO] = "LAUNCH_INFO failed",
	[R_BAD_LAUNCH_TABLE] = "the launch table is inconsistent",
	[R_NO_PM] = "no PIIX4 power management: use machine pc-i440fx with ACPI enabled",
	[R_ACPI] = "the ACPI tables do not fit their area",
	[R_EXCEPTION] = "unexpected exception",
	[R_NO_LONG_MODE] = "the CPU has no 64-bit mode",
	[R_BAD_KEY_OPTION] = "the command line's cvm.key or cvm.key.wait has a bad value",
	[R_KEY_NO_INITRD] = "cvm.key=required needs an initrd, where the key goes",
	[R_NO_KEY] = "no disk key came in time",
	[R_KEY_FAILED] = "KEY_GET failed",
	[R_NO_VCPUS] = "the other vCPUs do not start",
	[R_TOO_MANY_VCPUS] = "more than 16 vCPUs",
};

const char *reason_text(enum reason r)
{
	if ((unsigned int)r >= R_MAX || !texts[r])
		return "unknown reason";
	return texts[r];
}
