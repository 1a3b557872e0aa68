/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports from Guardian and Quoter, checked with OpenSSL; roles; key generation. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "guardian-fixture.h"

#define ROOTVISOR_SIZE 50001u
#define GUARDIAN_SIZE 40960u

struct pair {
    struct fixture *vm, *quoter;
    uint8_t key[72];
};

static int setup(void **state) {
    struct pair *p = test_calloc(1, sizeof(*p));

    p->vm = fixture_new();
    fixture_fill(p->vm->guest, FIXTURE_GUEST_SIZE, 5);
    fixture_launch(p->vm, 12345);
    p->quoter = fixture_new();
    fixture_fill(p->quoter->rootvisor, FIXTURE_IMAGE_SIZE, 6);
    fixture_fill(p->quoter->pristine, FIXTURE_IMAGE_SIZE, 7);
    p->quoter->mb.quoter = (struct cvm_g_quoter){ .rootvisor_size = ROOTVISOR_SIZE, .guardian_size = GUARDIAN_SIZE };
    assert_int_equal(fixture_call(p->quoter, CVM_G_QUOTER_INIT), 0);
    memcpy(p->key, p->quoter->mb.quoter.key, sizeof(p->key));
    *state = p;
    return 0;
}

static int teardown(void **state) {
    struct pair *p = *state;

    fixture_free(p->vm);
    fixture_free(p->quoter);
    test_free(p);
    return 0;
}

static EVP_PKEY *public_key(const uint8_t point[65]) {
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *k = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-256", 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point, 65),
        OSSL_PARAM_END,
    };

    assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
    assert_int_equal(EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, params), 1); /* is on the curve */
    EVP_PKEY_CTX_free(c);
    return k;
}

static bool signed_by(const uint8_t point[65], const void *data, size_t size, const uint8_t *signature) {
    EVP_PKEY *k = public_key(point);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    ECDSA_SIG *sig = ECDSA_SIG_new();
    uint8_t *der = NULL;
    bool good;
    int n;

    ECDSA_SIG_set0(sig, BN_bin2bn(signature, 32, NULL), BN_bin2bn(signature + 32, 32, NULL));
    n = i2d_ECDSA_SIG(sig, &der);
    assert_true(n > 0);
    assert_int_equal(EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, k), 1);
    good = EVP_DigestVerify(c, der, n, data, size) == 1;
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(k);
    return good;
}

static bool verifies(const uint8_t point[65], const struct cvm_report *r) {
    return signed_by(point, r, CVM_REPORT_SIGNED, r->signature);
}

/* Guardian's part, then what RootVisor adds. */
static struct cvm_report whole_report(struct pair *p) {
    struct cvm_report r;

    memset(&p->vm->mb.report, 0, sizeof(r));
    fixture_fill(p->vm->mb.report.user_data, 64, 77);
    p->vm->mb.report.requester = 1;
    assert_int_equal(fixture_call(p->vm, CVM_G_REPORT), 0);
    r = p->vm->mb.report;
    r.vm_id = 1;
    r.counter = 3;
    memcpy(r.rootvisor_digest, p->quoter->g.rootvisor_digest, 48);
    memcpy(r.guardian_digest, p->quoter->g.guardian_digest, 48);
    return r;
}

static int sign(struct pair *p, const struct cvm_report *r) {
    p->quoter->mb.report = *r;
    return fixture_call(p->quoter, CVM_G_SIGN);
}

static void test_quoter_digests(void **state) {
    struct pair *p = *state;
    uint8_t want[48];

    EVP_Digest(p->quoter->rootvisor, ROOTVISOR_SIZE, want, NULL, EVP_sha384(), NULL);
    assert_memory_equal(p->quoter->mb.quoter.rootvisor_digest, want, 48);
    EVP_Digest(p->quoter->pristine, GUARDIAN_SIZE, want, NULL, EVP_sha384(), NULL);
    assert_memory_equal(p->quoter->mb.quoter.guardian_digest, want, 48);
    for (unsigned i = 65; i < 72; i++)
        assert_int_equal(p->key[i], 0);
}

static void test_report_contents(void **state) {
    struct pair *p = *state;
    struct cvm_report r = whole_report(p);
    uint8_t want[64];

    assert_int_equal(r.magic, CVM_REPORT_MAGIC);
    assert_int_equal(r.version, 1);
    assert_int_equal(r.size, sizeof(r));
    assert_int_equal(r.requester, 1);
    fixture_fill(want, 64, 77);
    assert_memory_equal(r.user_data, want, 64);
    assert_int_equal(r.nr_measured, 1);
    assert_int_equal(r.measured[0].kind, CVM_COMP_FIRMWARE);
    assert_int_equal(r.measured[0].size, 12345);
    EVP_Digest(p->vm->guest + CVM_FW_GPA, 12345, want, NULL, EVP_sha384(), NULL);
    EVP_Digest(want, 48, want, NULL, EVP_sha384(), NULL); /* a single chunk */
    assert_memory_equal(r.measured[0].digest, want, 48);
    assert_int_equal(r.kex_alg, CVM_KEX_P256);
    EVP_PKEY_free(public_key(r.kex_public));
}

static void test_sign(void **state) {
    struct pair *p = *state;
    struct cvm_report r = whole_report(p), s;
    uint8_t id[32];

    assert_int_equal(sign(p, &r), 0);
    s = p->quoter->mb.report;
    EVP_Digest(p->key, 65, id, NULL, EVP_sha256(), NULL);
    assert_memory_equal(s.report_key_id, id, 32);
    assert_memory_equal(&s, &r, offsetof(struct cvm_report, report_key_id)); /* nothing else changed */
    assert_true(verifies(p->key, &s));
    s.user_data[0] ^= 1;
    assert_false(verifies(p->key, &s));

    /* Who runs here the Quoter knows best. */
    r.rootvisor_digest[47] ^= 1;
    r.guardian_digest[0] ^= 1;
    assert_int_equal(sign(p, &r), 0);
    s = p->quoter->mb.report;
    assert_memory_equal(s.rootvisor_digest, p->quoter->g.rootvisor_digest, 48);
    assert_memory_equal(s.guardian_digest, p->quoter->g.guardian_digest, 48);
    assert_true(verifies(p->key, &s));
}

static void test_keys_differ(void **state) {
    struct pair *p = *state;
    struct fixture *other = fixture_new();

    fixture_init(other);
    assert_memory_not_equal(other->g.key.point, p->vm->g.key.point, 65);
    assert_memory_not_equal(&other->g.page_key, &p->vm->g.page_key, 32);
    fixture_free(other);
}

/* What no Guardian makes, the Quoter does not sign. */
static void test_sign_refuses(void **state) {
    struct pair *p = *state;
    struct cvm_report good = whole_report(p), r;

#define REFUSE(change)                                                                                                 \
    do {                                                                                                               \
        r = good;                                                                                                      \
        change;                                                                                                        \
        assert_int_equal(sign(p, &r), -EINVAL);                                                                        \
        assert_memory_equal(&p->quoter->mb.report, &r, sizeof(r)); /* no half-signed report */                         \
    } while (0)
    REFUSE(r.magic++);
    REFUSE(r.version++);
    REFUSE(r.size--);
    REFUSE(r.rollback_epoch = 1);
    REFUSE(r.vm_id = 0);
    REFUSE(r.rollback = 1);
    REFUSE(r.requester = 2);
    REFUSE(r.launch_digest[0] ^= 1);
    REFUSE(r.nr_measured = 0);
    REFUSE(r.nr_measured = 9);
    REFUSE(r.nr_measured = UINT32_MAX);
    REFUSE(r.measured[0].size++);
    REFUSE(r.measured[0].reserved = 1);
    REFUSE(r.measured[7].digest[3] = 1);
    REFUSE(r.kex_alg = 0);
    REFUSE(r.kex_public[0] = 2);
    REFUSE(r.kex_public[71] = 1);
#undef REFUSE
    assert_int_equal(sign(p, &good), 0);
}

static void test_rtmr(void **state) {
    struct pair *p = *state;
    uint8_t both[96] = { 0 }, want[48];
    struct cvm_report r;

    fixture_fill(both + 48, 48, 9);
    for (unsigned i = 0; i < 2; i++) {
        p->vm->mb.extend = (struct cvm_rtmr_extend){ .index = 2 };
        memcpy(p->vm->mb.extend.digest, both + 48, 48);
        assert_int_equal(fixture_call(p->vm, CVM_G_EXTEND), 0);
        EVP_Digest(both, 96, want, NULL, EVP_sha384(), NULL);
        memcpy(both, want, 48);
    }
    r = whole_report(p);
    assert_memory_equal(r.rtmr[2], want, 48);
    memset(want, 0, 48);
    assert_memory_equal(r.rtmr[0], want, 48);
    assert_memory_equal(r.rtmr[3], want, 48);

    p->vm->mb.extend = (struct cvm_rtmr_extend){ .index = CVM_RTMRS };
    assert_int_equal(fixture_call(p->vm, CVM_G_EXTEND), -EINVAL);
    p->vm->mb.extend = (struct cvm_rtmr_extend){ .reserved = 1 };
    assert_int_equal(fixture_call(p->vm, CVM_G_EXTEND), -EINVAL);
}

static void chain_step(uint8_t chain[32], const struct cvm_event *e) {
    uint8_t both[32 + sizeof(*e)];

    memcpy(both, chain, 32);
    memcpy(both + 32, e, sizeof(*e));
    EVP_Digest(both, sizeof(both), chain, NULL, EVP_sha256(), NULL);
}

static bool head_verifies(const uint8_t point[65], const struct cvm_log_head *h) {
    return signed_by(point, h, CVM_HEAD_SIGNED, h->signature);
}

/* The chain as cvm/report.h has it, over batches of all sizes; heads on it; what is not next is refused whole. */
static void test_log(void **state) {
    struct pair *p = *state;
    struct cvm_g_log *l = &p->quoter->mb.log;
    uint8_t chain[32], genesis[16 + 32 + 48 + 48], id[32];
    uint64_t seq = 0;

    EVP_Digest(p->key, 65, id, NULL, EVP_sha256(), NULL);
    memcpy(genesis, CVM_LOG_PREFIX, 16);
    memcpy(genesis + 16, id, 32);
    memcpy(genesis + 48, p->quoter->g.rootvisor_digest, 48);
    memcpy(genesis + 96, p->quoter->g.guardian_digest, 48);
    EVP_Digest(genesis, sizeof(genesis), chain, NULL, EVP_sha256(), NULL);

    for (uint32_t n = 0; n <= CVM_LOG_BATCH; n++) {
        memset(l, 0, sizeof(*l));
        l->count = n;
        for (uint32_t i = 0; i < n; i++)
            l->ev[i] = (struct cvm_event){ .seq = ++seq, .type = i % (CVM_EV_MAX + 1), .arg = { n, i } };
        assert_int_equal(fixture_call(p->quoter, CVM_G_LOG), 0);
        for (uint32_t i = 0; i < n; i++) {
            assert_memory_equal(l->before[i], chain, 32);
            chain_step(chain, &l->ev[i]);
        }
    }
    memset(l, 0, sizeof(*l));
    l->sign = 1;
    fixture_fill(l->head.user_data, 64, 3);
    l->head.tsc = 99;
    l->head.tsc_khz = 7;
    l->head.seq = 1; /* not RootVisor's to say */
    memset(l->head.rootvisor_digest, 9, 48);
    assert_int_equal(fixture_call(p->quoter, CVM_G_LOG), 0);
    assert_int_equal(l->head.magic, CVM_HEAD_MAGIC);
    assert_int_equal(l->head.size, sizeof(l->head));
    assert_int_equal(l->head.seq, seq);
    assert_int_equal(l->head.tsc, 99);
    assert_memory_equal(l->head.chain, chain, 32);
    assert_memory_equal(l->head.report_key_id, id, 32);
    assert_memory_equal(l->head.rootvisor_digest, p->quoter->g.rootvisor_digest, 48);
    assert_true(head_verifies(p->key, &l->head));
    for (uint32_t i = seq = 0; i < 16; i++)
        seq += l->head.counts[i];
    assert_int_equal(seq, l->head.seq);
    assert_true(l->head.counts[0] > 0); /* there is no type CVM_EV_MAX */
    l->head.seq++;
    assert_false(head_verifies(p->key, &l->head));

    /* Refused: too many, a gap, a repetition, a gap behind a good one; nothing is folded then. */
#define REFUSE(change)                                                                                                 \
    do {                                                                                                               \
        memset(l, 0, sizeof(*l));                                                                                      \
        l->count = 2;                                                                                                  \
        l->ev[0].seq = seq + 1;                                                                                        \
        l->ev[1].seq = seq + 2;                                                                                        \
        change;                                                                                                        \
        assert_int_equal(fixture_call(p->quoter, CVM_G_LOG), -EINVAL);                                                 \
        assert_memory_equal(p->quoter->g.chain, chain, 32);                                                            \
    } while (0)
    REFUSE(l->count = CVM_LOG_BATCH + 1);
    REFUSE(l->count = UINT32_MAX);
    REFUSE(l->sign = 2);
    REFUSE(l->ev[0].seq++);
    REFUSE(l->ev[0].seq--);
    REFUSE(l->ev[1].seq++);
#undef REFUSE
    assert_int_equal(fixture_call(p->vm, CVM_G_LOG), -EPERM);
    /* A head is no report: the Quoter signs none that begins like one. */
    assert_int_not_equal(CVM_HEAD_MAGIC, CVM_REPORT_MAGIC);
}

static void test_roles(void **state) {
    struct pair *p = *state;
    struct fixture *f = fixture_new();

    for (unsigned op = CVM_G_INIT; op <= CVM_G_KEY_GET; op++)
        assert_int_equal(fixture_call(p->quoter, op), -EPERM);
    assert_int_equal(fixture_call(p->quoter, CVM_G_QUOTER_INIT), -EPERM);
    assert_int_equal(fixture_call(p->vm, CVM_G_QUOTER_INIT), -EPERM);
    assert_int_equal(fixture_call(p->vm, CVM_G_SIGN), -EPERM);
    assert_int_equal(fixture_call(p->vm, CVM_G_COUNTER), -EPERM);
    assert_int_equal(fixture_call(p->vm, CVM_G_INIT), -EPERM);
    for (unsigned op = CVM_G_MEASURE; op <= CVM_G_KEY_GET; op++)
        assert_int_equal(fixture_call(f, op), -EPERM);
    assert_int_equal(fixture_call(f, CVM_G_SIGN), -EPERM);
    assert_int_equal(fixture_call(f, 0), -ENOSYS);
    assert_int_equal(fixture_call(f, CVM_G_ANSWER + 1), -ENOSYS);
    assert_int_equal(fixture_call(f, CVM_G_COUNTER + 1), -ENOSYS);
    assert_int_equal(guardian_call(&f->g, 1ull << 32 | CVM_G_INIT, &f->mb), -ENOSYS);
    f->mb.abi_version = CVM_ABI_VERSION + 1;
    assert_int_equal(guardian_call(&f->g, CVM_G_INIT, &f->mb), -EINVAL);
    fixture_free(f);
}

static void test_before_launch(void **state) {
    struct fixture *f = fixture_new();

    (void)state;
    fixture_init(f);
    assert_int_equal(fixture_call(f, CVM_G_REPORT), -EPERM);
    assert_int_equal(fixture_call(f, CVM_G_EXTEND), -EPERM);
    assert_int_equal(fixture_call(f, CVM_G_DECODE), -EPERM);
    assert_int_equal(fixture_call(f, CVM_G_CONTINUE), -EPERM);
    fixture_free(f);
}

static void test_bad_init(void **state) {
    struct fixture *f = fixture_new();
    const struct cvm_g_init good = { .vm_id = 1, .max_gfn = 100 };

    (void)state;
#define REFUSE(change, err)                                                                                            \
    do {                                                                                                               \
        f->mb.init = good;                                                                                             \
        change;                                                                                                        \
        assert_int_equal(fixture_call(f, CVM_G_INIT), err);                                                            \
        assert_int_equal(f->g.role, ROLE_NONE);                                                                        \
    } while (0)
    REFUSE(f->mb.init.vm_id = 0, -EINVAL);
    REFUSE(f->mb.init.max_gfn = FIXTURE_GUEST_SIZE / PAGE_SIZE, -EINVAL);
    REFUSE(f->mb.init.nr_ram = 5, -EINVAL);
    REFUSE(f->mb.init.more_vcpus = CVM_MAX_CPUS, -EINVAL);
    REFUSE(f->mb.init.nr_ram = 1, -EINVAL); /* empty */
    REFUSE(f->mb.init.nr_ram = 1; f->mb.init.ram[0].size = 100, -EINVAL);
    REFUSE(f->mb.init.nr_ram = 1; f->mb.init.ram[0].size = FIXTURE_GUEST_SIZE + PAGE_SIZE, -EINVAL);
    REFUSE(f->mb.init.nr_ram = 2; f->mb.init.ram[0].size = 8192; f->mb.init.ram[1].gpa = 4096;
           f->mb.init.ram[1].size = 4096, -EINVAL);
    REFUSE(f->entropy_error = -EIO, -EIO);
    f->mb.quoter = (struct cvm_g_quoter){ .rootvisor_size = 1, .guardian_size = 1 };
    assert_int_equal(fixture_call(f, CVM_G_QUOTER_INIT), -EIO);
    f->entropy_error = 0;
    f->mb.quoter = (struct cvm_g_quoter){ .rootvisor_size = 0, .guardian_size = 1 };
    assert_int_equal(fixture_call(f, CVM_G_QUOTER_INIT), -EINVAL);
    f->mb.quoter = (struct cvm_g_quoter){ .rootvisor_size = 1, .guardian_size = CVM_G_IMAGE_MAX + 1 };
    assert_int_equal(fixture_call(f, CVM_G_QUOTER_INIT), -EINVAL);
    f->mb.quoter = (struct cvm_g_quoter){ .rootvisor_size = UINT64_MAX, .guardian_size = 1 };
    assert_int_equal(fixture_call(f, CVM_G_QUOTER_INIT), -EINVAL);
#undef REFUSE
    fixture_init(f);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quoter_digests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sign_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rtmr, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
        cmocka_unit_test(test_before_launch),
        cmocka_unit_test(test_bad_init),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
