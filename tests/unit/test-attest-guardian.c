/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole contract with the hypervisor's own sources: cvmboot masks the kernel, a Guardian measures the
 * components, a Quoter measures the built images and signs; libcvmattest computes reference values from the
 * files alone, and both agree.
 *
 * Arguments: the built cvmboot.rom, RootVisor's ELF file, guardian.bin.
 */
#include "guardian-fixture.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "attest/appraise.h"
#include "attest/evidence.h"
#include "cvm/boot.h"

/* cvmboot/bzimage.h, whose R_OK would be that of unistd.h too. */
void bzimage_mask(uint8_t *head);

static const char *rom_path, *rootvisor_path, *guardian_path;

static const char cmdline[] = "console=ttyS0 root=/dev/sda1";

struct host {
    struct fixture *vm, *quoter;
    uint8_t *rootvisor, *guardian;
    struct cvm_report_key key;
    char kernel[32], initrd[32];
    struct cvm_reference reference;
    uint8_t nonce[CVM_NONCE_SIZE];
};

static void *read_file(const char *path, size_t *size) {
    struct cvm_error e;
    void *p = NULL;

    if (cvm_read_file(path, 64 << 20, &p, size, &e) < 0)
        fail_msg("%s", e.text);
    return p;
}

static void write_temp(char *path, const void *p, size_t size) {
    int fd;

    strcpy(path, "attest-guardian-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, size), (ssize_t)size);
    close(fd);
}

/* RootVisor's image in memory, as GRUB loads it: every segment at its place, up to the last file byte. */
static uint8_t *load_elf(const uint8_t *file, size_t *size) {
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)file;
    const Elf64_Phdr *ph = (const Elf64_Phdr *)(file + h->e_phoff);
    uint64_t low = UINT64_MAX, high = 0;
    uint8_t *mem;

    for (unsigned i = 0; i < h->e_phnum; i++)
        if (ph[i].p_type == PT_LOAD && ph[i].p_filesz) {
            low = ph[i].p_paddr < low ? ph[i].p_paddr : low;
            high = ph[i].p_paddr + ph[i].p_filesz > high ? ph[i].p_paddr + ph[i].p_filesz : high;
        }
    assert_true(high > low);
    mem = calloc(1, high - low);
    for (unsigned i = 0; i < h->e_phnum; i++)
        if (ph[i].p_type == PT_LOAD)
            memcpy(mem + (ph[i].p_paddr - low), file + ph[i].p_offset, ph[i].p_filesz);
    *size = high - low;
    return mem;
}

/* A kernel as far as its setup header goes, with what QEMU has written into it. */
static size_t make_kernel(uint8_t *p) {
    size_t size = 33333;

    fixture_fill(p, size, 1);
    p[0x1f1] = 27;
    p[0x1fe] = 0x55;
    p[0x1ff] = 0xaa;
    memcpy(p + 0x202, "HdrS\x0f\x02", 6);
    p[0x211] = 0x81;
    return size;
}

static uint64_t measure(struct host *h, uint32_t *index, uint32_t kind, uint64_t gpa, size_t size) {
    assert_int_equal(fixture_measure(h->vm, (*index)++, kind, gpa, size), 0);
    return (gpa + size + 4095) & ~4095ull;
}

static void launch(struct host *h) {
    const struct cvm_rom_descriptor *d;
    uint8_t *rom, *guest = h->vm->guest;
    size_t rom_size = 0, kernel_size;
    uint64_t gpa = 0x100000;
    uint32_t index = 0;

    fixture_init(h->vm);
    /* As stage 1 does it: firmware and what QEMU gives, then PROTECT measures. */
    rom = read_file(rom_path, &rom_size);
    d = (const struct cvm_rom_descriptor *)(rom + CVM_ROM_DESC_OFFSET);
    memcpy(guest + CVM_FW_GPA, rom + d->offset, d->image_size);
    measure(h, &index, CVM_COMP_FIRMWARE, CVM_FW_GPA, d->size);
    free(rom);

    kernel_size = make_kernel(guest + gpa);
    write_temp(h->kernel, guest + gpa, kernel_size);
    guest[gpa + 0x210] = 0xb0; /* QEMU names itself */
    memset(guest + gpa + 0x218, 0x5a, 8);
    bzimage_mask(guest + gpa);
    gpa = measure(h, &index, CVM_COMP_KERNEL, gpa, kernel_size);

    fixture_fill(guest + gpa, 70001, 9);
    write_temp(h->initrd, guest + gpa, 70001);
    gpa = measure(h, &index, CVM_COMP_INITRD, gpa, 70001);

    memcpy(guest + gpa, cmdline, strlen(cmdline));
    measure(h, &index, CVM_COMP_CMDLINE, gpa, strlen(cmdline));
    assert_int_equal(fixture_call(h->vm, CVM_G_LAUNCH), 0);
}

static int setup(void **state) {
    struct host *h = calloc(1, sizeof(*h));
    size_t rv_size = 0, g_size = 0;
    struct cvm_error e;
    uint8_t *elf;

    h->vm = fixture_new();
    h->quoter = fixture_new();
    elf = read_file(rootvisor_path, &rv_size);
    h->rootvisor = load_elf(elf, &rv_size);
    free(elf);
    h->guardian = read_file(guardian_path, &g_size);
    h->quoter->win.rootvisor = h->rootvisor;
    h->quoter->win.pristine = h->guardian;
    h->quoter->mb.quoter = (struct cvm_g_quoter){.rootvisor_size = rv_size, .guardian_size = g_size};
    assert_int_equal(fixture_call(h->quoter, CVM_G_QUOTER_INIT), 0);
    memcpy(h->key.point, h->quoter->mb.quoter.key, sizeof(h->key.point));
    launch(h);
    fixture_fill(h->nonce, sizeof(h->nonce), 3);
    if (cvm_reference_from_files(&(struct cvm_reference_files){.firmware = rom_path,
                                                               .kernel = h->kernel,
                                                               .initrd = h->initrd,
                                                               .cmdline = cmdline,
                                                               .rootvisor = rootvisor_path,
                                                               .guardian = guardian_path},
                                 NULL, &h->reference, &e) < 0)
        fail_msg("%s", e.text);
    *state = h;
    return 0;
}

static int teardown(void **state) {
    struct host *h = *state;

    unlink(h->kernel);
    unlink(h->initrd);
    fixture_free(h->vm);
    fixture_free(h->quoter);
    free(h->rootvisor);
    free(h->guardian);
    free(h);
    return 0;
}

static void report(struct host *h, struct cvm_verdict *v) {
    const struct cvm_g_header *g = (const struct cvm_g_header *)h->guardian;
    struct cvm_report *r = &h->vm->mb.report;
    char *text = NULL;

    memset(r, 0, sizeof(*r));
    memcpy(r->user_data, h->nonce, sizeof(r->user_data));
    assert_int_equal(fixture_call(h->vm, CVM_G_REPORT), 0);
    /* RootVisor's part. */
    r->vm_id = 1;
    r->counter = 1;
    r->rootvisor_svn = 1;
    r->guardian_svn = g->svn;
    r->tsc_khz = 1;
    memcpy(r->rootvisor_digest, h->quoter->g.rootvisor_digest, CVM_DIGEST_SIZE);
    memcpy(r->guardian_digest, h->quoter->g.guardian_digest, CVM_DIGEST_SIZE);
    h->quoter->mb.report = *r;
    assert_int_equal(fixture_call(h->quoter, CVM_G_SIGN), 0);
    assert_int_equal(cvm_evidence_compose(&h->quoter->mb.report, &h->key, NULL, &text), 0);
    assert_int_equal(cvm_appraise(&(struct cvm_appraisal){.evidence = text,
                                                          .evidence_size = strlen(text),
                                                          .nonce = h->nonce,
                                                          .reference = &h->reference},
                                  v),
                     0);
    free(text);
}

static void test_agree(void **state) {
    struct host *h = *state;
    struct cvm_verdict v;

    report(h, &v);
    for (int c = 0; c < CVM_CHECK_MAX; c++) {
        const struct cvm_finding *f = &v.finding[c];

        if (f->state != (c == CVM_CHECK_ANCHOR || c == CVM_CHECK_DMA   ? CVM_WARN
                         : c >= CVM_CHECK_AK && c <= CVM_CHECK_KEY_PCR ? CVM_SKIPPED
                                                                       : CVM_OK))
            fail_msg("%s: %s (expected %s, seen %s)", cvm_check_name(c), f->detail, f->expected, f->seen);
    }
    assert_int_equal(cvm_verdict_exit(&v), CVM_EXIT_WARNING);
}

static void test_nonce_and_registers(void **state) {
    struct host *h = *state;
    struct cvm_verdict v;

    h->vm->mb.extend = (struct cvm_rtmr_extend){.index = 2, .digest = {1}};
    assert_int_equal(fixture_call(h->vm, CVM_G_EXTEND), 0);
    report(h, &v);
    assert_int_equal(cvm_verdict_exit(&v), CVM_EXIT_WARNING);
    assert_memory_equal(v.report.rtmr[2], h->vm->g.rtmr[2], CVM_DIGEST_SIZE);
    assert_int_equal(v.report.rtmr[1][0], 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agree),
                                       cmocka_unit_test(test_nonce_and_registers)};

    if (argc != 4) {
        fprintf(stderr, "usage: %s cvmboot.rom rootvisor guardian.bin\n", argv[0]);
        return 2;
    }
    rom_path = argv[1];
    rootvisor_path = argv[2];
    guardian_path = argv[3];
    return cmocka_run_group_tests(tests, setup, teardown);
}
