// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: hypervisor/cvmboot/acpi.c hypervisor/cvmboot/bootparams.c hypervisor/cvmboot/bzimage.c hypervisor/cvmboot/fwcfg-parse.c hypervisor/cvmboot/launch.c hypervisor/cvmboot/plan.c
// CFLAGS: -Ihypervisor/cvmboot
// What the host can feed cvmboot: fw_cfg directory, etc/e820, setup header, sizes; and the launch
// table. Beyond crashes: whatever stage 1 plans is a table that stage 2 accepts, all inside RAM.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "acpi.h"
#include "bootparams.h"
#include "bzimage.h"
#include "fwcfg-parse.h"
#include "launch.h"
#include "layout.h"
#include "mem.h"
#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cursor {
    const uint8_t *p;
    size_t left;
};

/* The next @n bytes, zero behind the end of the input. */
static void take(struct cursor *c, void *to, size_t n) {
    size_t have = n < c->left ? n : c->left;

    memset(to, 0, n);
    memcpy(to, c->p, have);
    c->p += have;
    c->left -= have;
}

/* Good bytes with up to 7 dwords overwritten: random ones never get past the first checks. */
static void patch(struct cursor *c, uint8_t *buf, size_t size) {
    uint8_t n;

    take(c, &n, 1);
    for (n &= 7; n; n--) {
        uint16_t offset;
        uint8_t value[4];

        take(c, &offset, 2);
        take(c, value, 4);
        memcpy(buf + offset % (size - 3), value, 4);
    }
}

static void take_head(struct cursor *c, uint8_t *head) {
    memset(head, 0, BZIMAGE_HEAD);
    head[0x1f1] = 39;
    put_le32(head + 0x1f4, 0x900);
    put_le16(head + 0x1fe, 0xaa55);
    head[0x201] = 0x6a;
    memcpy(head + 0x202, "HdrS", 4);
    put_le16(head + 0x206, 0x20f);
    head[0x211] = 1;
    put_le32(head + 0x22c, 0x7fffffff);
    put_le32(head + 0x230, 0x200000);
    put_le16(head + 0x236, 1);
    put_le32(head + 0x238, 2047);
    put_le64(head + 0x258, 0x1000000);
    put_le32(head + 0x260, 0x800000);
    patch(c, head, BZIMAGE_HEAD);
}

static void take_table(struct cursor *c, struct cvm_launch_table *t) {
    *t = (struct cvm_launch_table){
        .version = CVM_ABI_VERSION, .vcpus = 1, .nr_ram = 2, .nr_components = 4,
        .ram = { { 0, CVM_HOLE_GPA }, { CVM_HOLE_END, 0x10000000 - CVM_HOLE_END }, { LAYOUT_4GIB, 0x40000000 } },
        .comp = { { CVM_COMP_FIRMWARE, 0, CVM_FW_GPA, 0x2000 }, { CVM_COMP_KERNEL, 0, 0xffb000, 0xe000 },
                  { CVM_COMP_INITRD, 0, 0xff00000, 0xfffff }, { CVM_COMP_CMDLINE, 0, LAYOUT_CMDLINE, 9 } },
    };
    patch(c, (uint8_t *) t, sizeof(*t));
}

static void fuzz_directory(struct cursor *c) {
    uint8_t *dir = calloc(1, FWCFG_DIR_SIZE);
    struct fwcfg_file file;

    if (!dir)
        abort();
    take(c, dir, FWCFG_DIR_SIZE);
    if (fwcfg_find(dir, "etc/e820", &file) > R_MAX)
        abort();
    free(dir);
}

static void fuzz_launch_table(struct cursor *c) {
    struct cvm_launch_table t;
    uint8_t head[BZIMAGE_HEAD], page[BOOTPARAMS_SIZE];
    struct bzimage bz;
    struct launch l;

    take_table(c, &t);
    if (launch_check(&t, &l))
        return;
    take_head(c, head);
    if (bzimage_parse(head, l.kernel_size, true, &bz) || launch_check_kernel(&l, &bz))
        return;
    if ((uint64_t) l.kernel_gpa + l.kernel_size > l.low_top || l.kernel_gpa < LAYOUT_1MIB ||
        (uint64_t) bz.pref_address + bz.init_size > l.low_top)
        abort();
    bootparams_build(page, head, &bz, &l, LAYOUT_CMDLINE_COPY, LAYOUT_ACPI);
}

static void fuzz_plan(struct cursor *c) {
    struct plan_input in = { .firmware_size = 0x3000 };
    uint8_t map[E820_MAX * E820_ENTRY], head[BZIMAGE_HEAD], n;
    struct cvm_launch_table t = { .version = CVM_ABI_VERSION, .vcpus = 1 };
    struct cvm_protect p;
    struct launch l;
    uint32_t fwcfg_size, setup_size;

    take(c, &n, 1);
    n %= E820_MAX + 1;
    take(c, map, (size_t) n * E820_ENTRY);
    if (e820_parse(map, n * E820_ENTRY, &in.ram)) {
        in.ram.low_top = (uint64_t) (n + 1) << 24;
        in.ram.high_top = LAYOUT_4GIB;
    }
    take_head(c, head);
    take(c, &fwcfg_size, 4);
    take(c, &in.initrd_size, 4);
    take(c, &in.cmdline_size, 4);
    fwcfg_size %= fwcfg_size & 1 ? (1u << 30) + 1 : 1u << 20;
    if (in.cmdline_size & 1)
        in.cmdline_size %= 4096;
    if (bzimage_kernel_size(head, fwcfg_size, &in.kernel_size))
        return;
    if (in.kernel_size > fwcfg_size)
        abort();
    setup_size = ((head[0x1f1] ? head[0x1f1] : 4) + 1) * 512u;
    if (bzimage_parse(head, setup_size + in.kernel_size, false, &in.bz) || plan_make(&in, &p))
        return;
    t.nr_ram = p.nr_ram;
    t.nr_components = p.nr_components;
    memcpy(t.ram, p.ram, sizeof(t.ram));
    memcpy(t.comp, p.comp, sizeof(t.comp));
    bzimage_mask(head);
    if (launch_check(&t, &l) || bzimage_parse(head, l.kernel_size, true, &in.bz) ||
        launch_check_kernel(&l, &in.bz))
        abort();
}

static void fuzz_acpi(struct cursor *c) {
    static const uint8_t dsdt[300];
    uint16_t size, vcpus;
    uint8_t *buf;

    take(c, &size, 2);
    take(c, &vcpus, 2);
    buf = calloc(1, size + 1u);
    if (!buf)
        abort();
    (void) acpi_build(buf, size, LAYOUT_ACPI, dsdt, sizeof(dsdt), vcpus, vcpus & 1 ? LAYOUT_MAILBOX : 0);
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cursor c = { data, size };
    uint8_t which;

    take(&c, &which, 1);
    switch (which & 3) {
    case 0:
        fuzz_directory(&c);
        break;
    case 1:
        fuzz_launch_table(&c);
        break;
    case 2:
        fuzz_plan(&c);
        break;
    default:
        fuzz_acpi(&c);
        break;
    }
    return 0;
}
