/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few ports that exit: see vmx/power.h. All else goes to the hardware without us. */
#include "rv/rv.h"
#include "vmx/power.h"
#include "vmx/vmx.h"

#define IO_IN		BIT(3)
#define IO_STRING	BIT(4)

static struct power_state state;

static u32 port_in(u16 port, u32 size)
{
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

static void port_out(u16 port, u32 size, u32 v)
{
	if (size == 1)
		outb(port, (u8)v);
	else if (size == 2)
		outw(port, (u16)v);
	else
		outl(port, v);
}

void l1_io(struct pcpu *c)
{
	u64 q = vmread(VMCS_EXIT_QUALIFICATION), *rax = &c->regs.r[R_RAX];
	u32 size = (u32)(q & 7) + 1;
	u16 port = (u16)(q >> 16);

	if (q & IO_STRING) {		/* no driver does that to these ports */
		log_event(CVM_EV_DENIED, CVM_R_BAD_EXIT, 0, NULL, port, q);
		l1_inject_gp();
		return;
	}
	if (!(q & IO_IN)) {
		if (power_write_ends(&power_ports, &state, port, size, (u32)*rax))
			power_end(port, size, (u32)*rax);
		port_out(port, size, (u32)*rax);
	} else {
		u64 keep = size == 4 ? 0 : ~(BIT(8 * size) - 1);

		*rax = (*rax & keep) | port_in(port, size);
	}
	guest_skip_instruction();
}
