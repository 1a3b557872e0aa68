/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key from tenant to guest through hands that change, swap, keep and repeat what they carry. Each refusal has
 * its control: the same blob unchanged, taken.
 */
#include <errno.h>

#include "attest/release.h"
#include "guardian-fixture.h"

static const char secret[] = "a disk key of 32 random bytes...";

struct vms {
    struct fixture *a, *b;
    uint64_t counter; /* RootVisor's, of reports */
    struct cvm_report report;
    struct cvm_key_blob blob; /* answers report */
};

/* As RootVisor does it. */
static struct cvm_report ask(struct vms *v, struct fixture *f, uint32_t nonce) {
    struct cvm_report *r = &f->mb.report, got;

    memset(r, 0, sizeof(*r));
    fixture_fill(r->user_data, sizeof(r->user_data), nonce);
    memset(r->uuid, f == v->a ? 0xaa : 0xbb, sizeof(r->uuid));
    r->counter = ++v->counter;
    got = *r;
    assert_int_equal(fixture_call(f, CVM_G_REPORT), 0);
    memcpy(r->uuid, got.uuid, sizeof(r->uuid));
    r->counter = got.counter;
    return *r;
}

static struct cvm_key_blob release(const struct cvm_report *r) {
    struct cvm_key_blob b;

    assert_int_equal(cvm_key_release(r, secret, sizeof(secret) - 1, &b), 0);
    return b;
}

static int put(struct fixture *f, const struct cvm_key_blob *b) {
    f->mb.key_blob = *b;
    return fixture_call(f, CVM_G_KEY_PUT);
}

static int get(struct fixture *f) {
    memset(&f->mb.key, 0, sizeof(f->mb.key));
    return fixture_call(f, CVM_G_KEY_GET);
}

static int setup(void **state) {
    struct vms *v = test_calloc(1, sizeof(*v));

    v->a = fixture_new();
    v->b = fixture_new();
    fixture_launch(v->a, 8192);
    fixture_launch(v->b, 8192); /* the same measurement: only the Guardian differs */
    v->report = ask(v, v->a, 1);
    v->blob = release(&v->report);
    *state = v;
    return 0;
}

static int teardown(void **state) {
    struct vms *v = *state;

    fixture_free(v->a);
    fixture_free(v->b);
    test_free(v);
    return 0;
}

static void test_key_reaches_guest_once(void **state) {
    struct vms *v = *state;

    assert_int_equal(get(v->a), -ENOENT);
    assert_int_equal(put(v->a, &v->blob), 0);
    assert_int_equal(get(v->a), 0);
    assert_int_equal(v->a->mb.key.size, sizeof(secret) - 1);
    assert_memory_equal(v->a->mb.key.bytes, secret, sizeof(secret) - 1);
    assert_int_equal(get(v->a), -ENOENT);
    for (size_t i = 0; i < sizeof(v->a->g) - sizeof(secret); i++)
        assert_memory_not_equal((uint8_t *)&v->a->g + i, secret, 16); /* forgotten */
}

static void test_replay(void **state) {
    struct vms *v = *state;
    struct cvm_report again;

    assert_int_equal(put(v->a, &v->blob), 0);
    assert_int_equal(put(v->a, &v->blob), -ESTALE);
    assert_int_equal(get(v->a), 0);
    assert_int_equal(put(v->a, &v->blob), -ESTALE);
    /* The host asks for another report with the tenant's old nonce: the old blob does not answer that one. */
    again = ask(v, v->a, 1);
    assert_memory_equal(again.user_data, v->report.user_data, 64);
    assert_int_equal(put(v->a, &v->blob), -ESTALE);
    v->blob.counter = again.counter;
    assert_int_equal(put(v->a, &v->blob), -EBADMSG);
    assert_int_equal(get(v->a), -ENOENT);
    v->blob = release(&again);
    assert_int_equal(put(v->a, &v->blob), 0);
}

/* Only the newest KEY_REPORTS reports can be answered. */
static void test_old_report(void **state) {
    struct vms *v = *state;

    for (unsigned i = 1; i < KEY_REPORTS; i++)
        ask(v, v->a, 100 + i);
    assert_int_equal(put(v->a, &v->blob), 0); /* control */
    v->report = ask(v, v->a, 1);
    v->blob = release(&v->report);
    for (unsigned i = 0; i < KEY_REPORTS; i++)
        ask(v, v->a, 200 + i);
    assert_int_equal(put(v->a, &v->blob), -ESTALE);
}

static void test_other_vm(void **state) {
    struct vms *v = *state;
    struct cvm_report b = ask(v, v->b, 1);

    assert_int_equal(put(v->b, &v->blob), -ESTALE);
    v->blob.counter = b.counter;
    assert_int_equal(put(v->b, &v->blob), -EBADMSG);
    v->blob.counter = v->report.counter;
    assert_int_equal(put(v->a, &v->blob), 0); /* control */
}

/* The tenant was shown a report in which one field is not that of the VM. */
static void test_bound_fields(void **state) {
    struct vms *v = *state;
    struct cvm_report lies[5] = {v->report, v->report, v->report, v->report, ask(v, v->b, 1)};
    struct cvm_key_blob blob;

    lies[0].uuid[3] ^= 1;
    lies[1].launch_digest[47] ^= 0x80;
    lies[2].user_data[63] ^= 1;
    memcpy(lies[3].kex_public, lies[4].kex_public, sizeof(lies[3].kex_public));
    lies[4].counter = v->report.counter;
    for (unsigned i = 0; i < 5; i++) {
        blob = release(&lies[i]);
        assert_int_equal(put(v->a, &blob), -EBADMSG);
        assert_int_equal(get(v->a), -ENOENT);
    }
    assert_int_equal(put(v->a, &v->blob), 0); /* control */
}

static void test_every_bit(void **state) {
    struct vms *v = *state;
    struct cvm_key_blob blob;
    int err;

    for (size_t i = 0; i < sizeof(blob) * 8; i += i < 256 ? 1 : 3) {
        blob = v->blob;
        ((uint8_t *)&blob)[i / 8] ^= 1u << i % 8;
        err = put(v->a, &blob);
        assert_true(err == -EINVAL || err == -ESTALE || err == -EBADMSG);
        assert_int_equal(get(v->a), -ENOENT);
    }
    assert_int_equal(put(v->a, &v->blob), 0); /* control */
}

/* Sealed as it must be, and still no key. */
static void test_tenant_errors(void **state) {
    struct vms *v = *state;
    uint8_t long_key[CVM_KEY_MAX + 1] = {1};
    struct cvm_key_blob blob;

    assert_int_equal(cvm_key_release(&v->report, long_key, sizeof(long_key), &blob), -EMSGSIZE);
    assert_int_equal(cvm_key_release(&v->report, long_key, 0, &blob), -EMSGSIZE);
    assert_int_equal(cvm_key_release(&v->report, long_key, CVM_KEY_MAX, &blob), 0);
    assert_int_equal(put(v->a, &blob), 0);
    assert_int_equal(get(v->a), 0);
    assert_int_equal(v->a->mb.key.size, CVM_KEY_MAX);
}

/* A key that was not taken gives way to a newer one. */
static void test_rotation(void **state) {
    struct vms *v = *state;
    struct cvm_report r = ask(v, v->a, 9);
    struct cvm_key_blob blob;

    assert_int_equal(put(v->a, &v->blob), 0);
    assert_int_equal(cvm_key_release(&r, "new", 3, &blob), 0);
    assert_int_equal(put(v->a, &blob), 0);
    assert_int_equal(get(v->a), 0);
    assert_memory_equal(v->a->mb.key.bytes, "new", 4);
}

static void test_phases(void **state) {
    struct vms *v = *state;
    struct fixture *f = fixture_new();

    assert_int_equal(put(f, &v->blob), -EPERM);
    assert_int_equal(get(f), -EPERM);
    fixture_init(f);
    assert_int_equal(put(f, &v->blob), -EPERM); /* before LAUNCH */
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key_reaches_guest_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_vm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tenant_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_phases, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
