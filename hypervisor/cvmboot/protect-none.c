/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fwcfg.h"
#include "layout.h"
#include "mem.h"
#include "variant.h"

/* entry-none.S: the canonical entry state of cvm/boot.h. */
_Noreturn void enter_stage2(void);

void variant_probe(void)
{
}

void variant_eoi(void)
{
}

void variant_protect(const struct cvm_protect *p)
{
	struct cvm_launch_table *t = (void *)LAYOUT_LOCAL_TABLE;

	memset(t, 0, sizeof(*t));
	t->version = p->version;
	t->vcpus = fwcfg_read16(FWCFG_NB_CPUS);
	t->nr_ram = p->nr_ram;
	t->nr_components = p->nr_components;
	memcpy(t->ram, p->ram, sizeof(t->ram));
	memcpy(t->comp, p->comp, sizeof(t->comp));
	enter_stage2();
}
