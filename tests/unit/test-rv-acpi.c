/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's ACPI tables: the firmware's, CVMD, and one CPU. */
#include "rv-test.h"

#include "cvm/abi.h"
#include "hostboot/acpi.h"

#define MEM 0x4000u
#define AT 0x3cfe8000ull

static uint8_t memory[MEM];          /* physical 0 .. MEM */
static uint8_t out[4096];
static uint8_t rsdp[36];
static struct acpi_built built;
static struct acpi_result res;
static const char *error;
static uint8_t own_log[512];         /* what the Quoter wrote; log_size 0: nothing */
static uint32_t log_size;

static const u8 *map(void *ctx, u64 pa, u64 size) {
    (void) ctx;
    return pa && pa < MEM && size <= MEM - pa ? memory + pa : NULL;
}

static uint8_t sum(const uint8_t *p, size_t n) {
    uint8_t s = 0;

    while (n--)
        s = (uint8_t) (s + *p++);
    return s;
}

static uint64_t get(const uint8_t *p, unsigned n) {
    uint64_t v = 0;

    while (n--)
        v = v << 8 | p[n];
    return v;
}

static void header(uint32_t at, const char *signature, uint32_t size) {
    memcpy(memory + at, signature, 4);
    put_le(memory + at + 4, size, 4);
    memcpy(memory + at + 10, "OEMXYZ", 6);
    memory[at + 9] = 0;
    memory[at + 9] = (uint8_t) -sum(memory + at, size);
}

static void sign_rsdp(void) {
    rsdp[8] = 0;
    rsdp[8] = (uint8_t) -sum(rsdp, 20);
    rsdp[32] = 0;
    rsdp[32] = (uint8_t) -sum(rsdp, 36);
}

static int setup(void **state) {
    (void) state;
    memset(memory, 0, sizeof(memory));
    memset(out, 0, sizeof(out));
    log_size = 0;
    /* RSDT at 0x1000: FACP, APIC; XSDT at 0x1100: APIC, FACP; MADT at 0x1200 with 4 CPUs */
    put_le(memory + 0x1000 + 36, 0x1400, 4);
    put_le(memory + 0x1000 + 40, 0x1200, 4);
    header(0x1000, "RSDT", 44);
    put_le(memory + 0x1100 + 36, 0x1200, 8);
    put_le(memory + 0x1100 + 44, 0x1400, 8);
    header(0x1100, "XSDT", 52);
    memcpy(memory + 0x1200 + 44, "\0\x08\0\0\1\0\0\0" "\0\x08\1\2\1\0\0\0" "\0\x08\2\4\2\0\0\0", 24);
    memcpy(memory + 0x1200 + 68, "\1\x0c\7\0\0\0\xc0\xfe\0\0\0\0" "\x09\x10\0\0\0\1\0\0\1\0\0\0\3\0\0\0", 28);
    header(0x1200, "APIC", 96);
    header(0x1400, "FACP", 116);
    memset(rsdp, 0, sizeof(rsdp));
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = 2;
    put_le(rsdp + 16, 0x1000, 4);
    put_le(rsdp + 20, 36, 4);
    put_le(rsdp + 24, 0x1100, 8);
    sign_rsdp();
    return 0;
}

static uint64_t mailbox;

static int build(uint32_t rsdp_size, uint32_t out_size) {
    static const struct acpi_ops ops = { .map = map };
    const struct acpi_request q = {
        .rsdp = rsdp, .rsdp_size = rsdp_size, .secret = { 0x1122334455667788, 0x99aabbccddeeff00 }, .abi_version = 7,
        .log = own_log, .log_size = log_size, .mailbox = mailbox, .at = AT, .out = out, .out_size = out_size };

    return acpi_build(&ops, &q, &built, &error);
}

static int read_tables(uint32_t rsdp_size) {
    static const struct acpi_ops ops = { .map = map };

    return acpi_read(&ops, rsdp, rsdp_size, 0, &res, &error);
}

/* What RootVisor reads and what hostboot copies are refused alike. */
static void expect_broken(uint32_t rsdp_size, const char *part) {
    expect_error(build(rsdp_size, sizeof(out)), -EINVAL, &error, part);
    expect_error(read_tables(rsdp_size), -EINVAL, &error, part);
}

static const uint8_t *new_table(uint64_t pa, const char *signature) {
    const uint8_t *p = out + (pa - AT);

    assert_in_range(pa, AT, AT + sizeof(out) - 36);
    assert_memory_equal(p, signature, 4);
    assert_int_equal(sum(p, get(p + 4, 4)), 0);
    return p;
}

static void expect_cvmd(uint64_t pa) {
    const uint8_t *t = new_table(pa, "CVMD");

    assert_int_equal(get(t + 4, 4), sizeof(struct cvm_acpi_table));
    assert_int_equal(get(t + 36, 4), 7);
    assert_int_equal(get(t + 40, 8), 0x1122334455667788);
    assert_true(get(t + 48, 8) == 0x99aabbccddeeff00);
    assert_memory_equal(t + 10, "OEMXYZ", 6);
}

static void expect_madt(uint64_t pa) {
    const uint8_t *t = new_table(pa, "APIC");

    assert_int_equal(get(t + 4, 4), mailbox ? 112 : 96);
    assert_int_equal(get(t + 44 + 4, 4), 1);         /* APIC id 0 */
    assert_int_equal(get(t + 52 + 4, 4), 1);         /* 2 */
    assert_int_equal(get(t + 60 + 4, 4), 0);         /* 4: was online-capable */
    assert_int_equal(get(t + 68 + 12 + 8, 4), 1);    /* x2APIC 0x100: was online-capable, too */
    if (mailbox) {
        assert_int_equal(get(t + 96, 8), 0x1010);    /* type 16, length 16, version 0 */
        assert_int_equal(get(t + 104, 8), mailbox);
    }
}

static void test_both_roots(void **state) {
    const uint8_t *r, *x;

    (void) state;
    assert_int_equal(build(36, sizeof(out)), 0);
    assert_int_equal(built.rsdp, AT);
    assert_int_equal(sum(out, 20), 0);
    assert_int_equal(sum(out, 36), 0);
    x = new_table(get(out + 24, 8), "XSDT");
    assert_int_equal(get(x + 4, 4), 60);
    assert_int_equal(get(x + 44, 8), 0x1400);
    expect_madt(get(x + 36, 8));
    expect_cvmd(get(x + 52, 8));
    r = new_table(get(out + 16, 4), "RSDT");
    assert_int_equal(get(r + 4, 4), 48);
    assert_int_equal(get(r + 36, 4), 0x1400);
    assert_int_equal(get(r + 40, 4), get(x + 36, 8));
    assert_int_equal(get(r + 44, 4), get(x + 52, 8));
    assert_int_equal(read_tables(36), 0);
    assert_int_equal(res.nr_others, 2);              /* enabled ones only */
    assert_int_equal(res.others[0], 2);
    assert_int_equal(res.others[1], 0x100);
    assert_int_equal(memory[0x1200 + 52 + 4], 1);    /* the firmware's table is as it was */
}

static void test_mailbox(void **state) {
    const uint8_t *x;

    (void) state;
    mailbox = 0x12345000;
    assert_int_equal(build(36, sizeof(out)), 0);
    x = new_table(get(out + 24, 8), "XSDT");
    expect_madt(get(x + 36, 8));
    mailbox = 0;
}

/* Firmware that lists a CPU in both forms (ACPI 6.5, 5.2.12.12 has one or the other): it is one CPU, and starts once. */
static void test_cpu_listed_twice(void **state) {
    (void) state;
    memcpy(memory + 0x1200 + 80, "\x09\x10\0\0\2\0\0\0\1\0\0\0\3\0\0\0", 16);
    header(0x1200, "APIC", 96);
    assert_int_equal(read_tables(36), 0);
    assert_int_equal(res.nr_others, 1);
    assert_int_equal(res.others[0], 2);
}

static void test_power_registers(void **state) {
    (void) state;
    assert_int_equal(read_tables(36), 0);
    assert_int_equal(res.power.pm1_cnt[0], 0);
    assert_int_equal(res.power.reset, 0);

    /* ACPI 1.0: ports only */
    put_le(memory + 0x1400 + 64, 0xb004, 4);
    header(0x1400, "FACP", 116);
    assert_int_equal(read_tables(36), 0);
    assert_int_equal(res.power.pm1_cnt[0], 0xb004);
    assert_int_equal(res.power.pm1_cnt[1], 0);
    assert_false(res.power_by_memory);

    /* ACPI 5: generic addresses win */
    memory[0x1400 + 172] = 1;
    put_le(memory + 0x1400 + 172 + 4, 0x1804, 8);
    put_le(memory + 0x1400 + 68, 0xb104, 4);
    memory[0x1400 + 116] = 1;
    put_le(memory + 0x1400 + 116 + 4, 0xcf9, 8);
    memory[0x1400 + 128] = 6;
    memory[0x1400 + 244] = 0;                        /* system memory */
    put_le(memory + 0x1400 + 244 + 4, 0xfed00000, 8);
    header(0x1400, "FACP", 268);
    assert_int_equal(read_tables(36), 0);
    assert_int_equal(res.power.pm1_cnt[0], 0x1804);
    assert_int_equal(res.power.pm1_cnt[1], 0xb104);
    assert_int_equal(res.power.reset, 0);            /* RESET_REG_SUP is not set */
    assert_int_equal(res.power.sleep_control, 0);
    assert_true(res.power_by_memory);
    put_le(memory + 0x1400 + 112, 1u << 10, 4);
    header(0x1400, "FACP", 268);
    assert_int_equal(read_tables(36), 0);
    assert_int_equal(res.power.reset, 0xcf9);
    assert_int_equal(res.power.reset_value, 6);
}

static void test_acpi_1(void **state) {
    const uint8_t *r;

    (void) state;
    assert_int_equal(build(20, sizeof(out)), 0);
    assert_int_equal(sum(out, 20), 0);
    assert_int_equal(get(out + 24, 8), 0);
    r = new_table(get(out + 16, 4), "RSDT");
    expect_cvmd(get(r + 44, 4));
    assert_int_equal(read_tables(20), 0);
    assert_int_equal(res.nr_others, 2);
}

static void test_broken(void **state) {
    (void) state;
    expect_broken(19, "RSDP");
    rsdp[0] = 'X';
    sign_rsdp();
    expect_broken(36, "RSDP");
    setup(NULL);
    rsdp[9]++;
    expect_broken(36, "RSDP");
    setup(NULL);
    memory[0x1100 + 20]++;
    expect_broken(36, "XSDT");
    setup(NULL);
    header(0x1100, "XSDT", 51);
    expect_broken(36, "XSDT");
    setup(NULL);
    put_le(rsdp + 24, MEM - 10, 8);
    sign_rsdp();
    expect_broken(36, "XSDT");
    setup(NULL);
    memory[0x1200 + 44 + 1] = 1;                     /* MADT entry shorter than its head */
    header(0x1200, "APIC", 96);
    expect_broken(36, "MADT");
    setup(NULL);
    memory[0x1200 + 80 + 1] = 0x11;                  /* beyond the table */
    header(0x1200, "APIC", 96);
    expect_broken(36, "MADT");
}

static void test_no_room(void **state) {
    (void) state;
    assert_int_equal(build(36, sizeof(out)), 0);
    for (uint32_t size = 0, used = built.used; size < used; size++)
        expect_error(build(36, size), -ENOSPC, &error, "too large");
}

/* A crypto-agile log of bank SHA-256, with so many entries of PCR `pcr`. */
static uint32_t write_log(uint8_t *p, unsigned entries, uint32_t pcr) {
    uint32_t at = 32;

    memset(p, 0, 32);
    put_le(p + 4, 3, 4);
    put_le(p + 28, 33, 4);
    memcpy(p + at, "Spec ID Event03\0\0\0\0\0\0\2\2\2\1\0\0\0\x0b\0\x20\0\0", 33);
    at += 33;
    while (entries--) {
        put_le(p + at, pcr, 4);
        put_le(p + at + 4, 4, 4);
        put_le(p + at + 8, 1, 4);
        put_le(p + at + 12, 0xb, 2);
        memset(p + at + 14, 0x55, 32);
        put_le(p + at + 46, 4, 4);
        put_le(p + at + 50, 0, 4);
        at += 54;
    }
    return at;
}

/* TPM2 at 0x1500 in both roots, the firmware's log at 0x2000. */
static uint32_t add_tpm2(uint32_t size) {
    put_le(memory + 0x1000 + 44, 0x1500, 4);
    header(0x1000, "RSDT", 48);
    put_le(memory + 0x1100 + 52, 0x1500, 8);
    header(0x1100, "XSDT", 60);
    memory[0x1500 + 8] = 4;
    put_le(memory + 0x1500 + 40, 0xfed40040, 8);
    put_le(memory + 0x1500 + 48, 7, 4);
    if (size >= 76) {
        put_le(memory + 0x1500 + 64, 0x1000, 4);
        put_le(memory + 0x1500 + 68, 0x2000, 8);
    }
    header(0x1500, "TPM2", size);
    log_size = write_log(own_log, 2, 13);
    return write_log(memory + 0x2000, 3, 4);
}

static void expect_log(const uint8_t *x, uint32_t want_size, bool tpm2) {
    const uint8_t *log = new_table(get(x + get(x + 4, 4) - 8, 8), "CVML"), *t;

    expect_cvmd(get(x + get(x + 4, 4) - 16, 8));
    assert_int_equal(get(log + 4, 4), 36 + want_size);
    assert_memory_equal(log + 10, "OEMXYZ", 6);
    assert_memory_equal(log + 36 + want_size - 108, own_log + 65, 108);
    if (!tpm2)
        return;
    t = new_table(get(x + 52, 8), "TPM2");
    assert_int_equal(get(t + 4, 4), 76);
    assert_int_equal(t[8], 4);
    assert_int_equal(get(t + 40, 8), 0xfed40040);
    assert_int_equal(get(t + 48, 4), 7);
    assert_int_equal(get(t + 64, 4), want_size);
    assert_int_equal(get(t + 68, 8), AT + (uint64_t) (log - out) + 36);
}

static void test_event_log(void **state) {
    uint32_t fw, own;
    const uint8_t *x, *r;

    (void) state;
    /* No TPM2 table, as in a machine with a TPM at its serial line. */
    log_size = own = write_log(own_log, 2, 13);
    assert_int_equal(build(36, sizeof(out)), 0);
    x = new_table(get(out + 24, 8), "XSDT");
    expect_log(x, own, false);
    assert_int_equal(built.log_merged, 0);

    /* The firmware's entries first; both roots name the same tables. */
    fw = add_tpm2(76);
    assert_int_equal(build(36, sizeof(out)), 0);
    assert_int_equal(built.log_merged, 3);
    x = new_table(get(out + 24, 8), "XSDT");
    expect_log(x, fw + 108, true);
    assert_memory_equal(new_table(get(x + 68, 8), "CVML") + 36, memory + 0x2000, fw);
    r = new_table(get(out + 16, 4), "RSDT");
    assert_int_equal(get(r + 44, 4), get(x + 52, 8));
    assert_int_equal(get(r + 52, 4), get(x + 68, 8));
    for (uint32_t size = 0, used = built.used; size < used; size++)
        expect_error(build(36, size), -ENOSPC, &error, "too large");

    /* An area that cannot be read, or holds no log; a table of before there were log areas. */
    put_le(memory + 0x1500 + 68, MEM - 16, 8);
    header(0x1500, "TPM2", 76);
    assert_int_equal(build(36, sizeof(out)), 0);
    expect_log(new_table(get(out + 24, 8), "XSDT"), own, true);
    setup(NULL);
    add_tpm2(76);
    memory[0x2000 + 32]++;
    assert_int_equal(build(36, sizeof(out)), 0);
    expect_log(new_table(get(out + 24, 8), "XSDT"), own, true);
    setup(NULL);
    add_tpm2(52);
    assert_int_equal(build(36, sizeof(out)), 0);
    expect_log(new_table(get(out + 24, 8), "XSDT"), own, true);

    /* Revision 5: the same, 4 bytes behind; Linux gets revision 4. */
    setup(NULL);
    fw = add_tpm2(52);
    memory[0x1500 + 8] = 5;
    put_le(memory + 0x1500 + 68, 0x1000, 4);
    put_le(memory + 0x1500 + 72, 0x2000, 8);
    header(0x1500, "TPM2", 80);
    assert_int_equal(build(36, sizeof(out)), 0);
    assert_int_equal(built.log_merged, 3);
    expect_log(new_table(get(out + 24, 8), "XSDT"), fw + 108, true);

    /* Nothing was extended: the firmware's table stays, and there is no CVML. */
    setup(NULL);
    add_tpm2(76);
    log_size = 0;
    assert_int_equal(build(36, sizeof(out)), 0);
    x = new_table(get(out + 24, 8), "XSDT");
    assert_int_equal(get(x + 4, 4), 68);
    assert_int_equal(get(x + 52, 8), 0x1500);
    expect_cvmd(get(x + 60, 8));

    log_size = write_log(own_log, 2, 13) - 1;
    expect_error(build(36, sizeof(out)), -EINVAL, &error, "Quoter's event log");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_roots, setup),
        cmocka_unit_test_setup(test_mailbox, setup),
        cmocka_unit_test_setup(test_cpu_listed_twice, setup),
        cmocka_unit_test_setup(test_power_registers, setup),
        cmocka_unit_test_setup(test_acpi_1, setup),
        cmocka_unit_test_setup(test_broken, setup),
        cmocka_unit_test_setup(test_no_room, setup),
        cmocka_unit_test_setup(test_event_log, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
