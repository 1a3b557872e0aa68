/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The security log: chained by the Quoter whatever the host does, and told in signed heads (cvm/report.h). */
#include "l1.h"

/* FIPS 180-4, the plain way: the constants are the first bits of the roots of primes, but shorter as a table. */
static const u32 K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

static u32 ror(u32 x, u32 n) { return x >> n | x << (32 - n); }

static void sha256(const u8 *p, u64 n, u8 out[32])
{
	u32 h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	u64 blocks = (n + 9 + 63) / 64;

	for (u64 b = 0; b < blocks; b++) {
		u32 w[64], s[8];

		for (u32 i = 0; i < 64; i++)
			w[i] = 0;
		for (u32 i = 0; i < 64; i++) {
			u64 at = b * 64 + i;
			u8 byte = at < n ? p[at] : at == n ? 0x80 : 0;

			if (b == blocks - 1 && i >= 56)
				byte = (u8)(n * 8 >> (63 - i) * 8);
			w[i / 4] |= (u32)byte << (24 - i % 4 * 8);
		}
		for (u32 i = 16; i < 64; i++)
			w[i] = w[i - 16] + w[i - 7] + (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) +
			       (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
		copy(s, h, sizeof(s));
		for (u32 i = 0; i < 64; i++) {
			u32 t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) +
				 ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
			u32 t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) +
				 ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

			for (u32 j = 7; j; j--)
				s[j] = s[j - 1];
			s[4] += t1;
			s[0] = t1 + t2;
		}
		for (u32 i = 0; i < 8; i++)
			h[i] += s[i];
	}
	for (u32 i = 0; i < 32; i++)
		out[i] = (u8)(h[i / 4] >> (24 - i % 4 * 8));
}

static void step(u8 chain[32], const struct cvm_event *e)
{
	u8 both[32 + sizeof(*e)];

	copy(both, chain, 32);
	copy(both + 32, e, sizeof(*e));
	sha256(both, sizeof(both), chain);
}

static struct cvm_event_page page;
static struct cvm_log_call head;

/* Chains all that is held from `from` on, a page after the other; what the first page begins with is believed. */
static u64 chain_on(u64 from, u8 chain[32])
{
	bool first = true;

	while (host_call(CVM_HOST_EVENTS, from, &page, sizeof(page)) > 0) {
		if (first)
			copy(chain, page.before, 32);
		else
			EXPECT_EQ(compare(chain, page.before, 32), 0);
		first = false;
		for (u32 i = 0; i < page.count; i++)
			step(chain, &page.ev[i]);
		from = page.ev[page.count - 1].seq + 1;
	}
	return from - 1;
}

TEST(hash, "log-own-hash")
{
	static const u8 abc[4] = { 0xba, 0x78, 0x16, 0xbf };
	u8 out[32];

	sha256((const u8 *)"abc", 3, out);	/* FIPS 180-2, B.1 */
	EXPECT_EQ(compare(out, abc, 4), 0);
}

/* A page behind the other leads to the signed head, also when most of the log was overwritten by a flood. */
TEST(chain, "log-chain-through-flood")
{
	u8 chain[32];
	u64 mark = event_mark(), last, counted = 0, denied;

	head.user_data[5] = 0x55;
	EXPECT_EQ(host_call(CVM_HOST_LOG_HEAD, 0, &head, sizeof(head)), 0);
	denied = head.head.counts[CVM_EV_DENIED];
	for (u32 i = 0; i < 1300; i++)
		try_wrmsr(0x9b, i);
	last = chain_on(mark, chain);
	EXPECT(page.first_seq > mark);		/* the flood did push out what was there */
	EXPECT_EQ(host_call(CVM_HOST_LOG_HEAD, 0, &head, sizeof(head)), 0);
	EXPECT_EQ(head.head.magic, CVM_HEAD_MAGIC);
	EXPECT_EQ(head.head.version, CVM_HEAD_VERSION);
	EXPECT_EQ(head.head.size, sizeof(head.head));
	EXPECT_EQ(head.head.seq, last);
	EXPECT_EQ(compare(head.head.chain, chain, 32), 0);
	EXPECT_EQ(compare(head.head.user_data, head.user_data, 64), 0);
	EXPECT_EQ(head.head.counts[CVM_EV_DENIED], denied + 1300);
	for (u32 i = 0; i < ARRAY_SIZE(head.head.counts); i++)
		counted += head.head.counts[i];
	EXPECT_EQ(counted, last);
}

TEST(anchor, "log-anchor")
{
	const struct cvm_event *e;
	u64 mark = event_mark();

	for (u32 i = 0; i < 64; i++)
		head.user_data[i] = (u8)(i + 1);
	EXPECT_EQ(host_call(CVM_HOST_LOG_HEAD, 1000, &head, sizeof(head)), 0);
	EXPECT_EQ(head.head.seq, mark);
	e = event_find(mark, CVM_EV_ANCHOR, CVM_R_NONE);
	EXPECT(e != NULL);
	if (e) {
		EXPECT_EQ(e->arg[0], 1000);
		EXPECT_EQ(compare(e->uuid, head.user_data, 16), 0);
		EXPECT_EQ(compare(&e->arg[1], head.user_data + 16, 8), 0);
		EXPECT_EQ(e->vm, 0);
	}
}

/* Refused calls are events, and their flood is counted, not logged. */
TEST(refused, "log-refused-calls")
{
	static struct cvm_host_info info;
	u64 mark = event_mark(), made = 0, logged = 0, told = 0, start;

	REQUIRE_EQ(host_call(CVM_HOST_INFO, 0, &info, sizeof(info)), 0);
	/* Other tests may have used the rate up: then one is logged a twentieth of a second later. */
	for (; made < 200; made++)
		EXPECT_EQ(host_call(CVM_HOST_INFO, 0, &page, 7), -EINVAL);
	for (start = tsc(); tsc() - start < info.tsc_khz * 60;)
		;
	EXPECT_EQ(host_call(CVM_HOST_INFO, 0, &page, 7), -EINVAL);
	for (u64 from = mark; host_call(CVM_HOST_EVENTS, from, &page, sizeof(page)) > 0; from = page.ev[page.count - 1].seq + 1)
		for (u32 i = 0; i < page.count; i++) {
			const struct cvm_event *e = &page.ev[i];

			if (e->type != CVM_EV_DENIED || e->reason != CVM_R_BAD_CALL)
				continue;
			logged++;
			told += e->arg[1] >> 32;
			EXPECT_EQ(e->arg[0], CVM_CALL(CVM_HOST_INFO));
			EXPECT_EQ((u32)e->arg[1], EINVAL);
		}
	EXPECT(logged >= 1 && logged < 120);
	EXPECT(logged + told > made);
	/* an answer is no refusal */
	mark = event_mark();
	EXPECT_EQ(host_call(CVM_HOST_VM_INFO, 4711, &page, sizeof(struct cvm_vm_info)), -ENOENT);
	EXPECT_EQ(event_mark(), mark);
}

/* From its beginning: the chain is of this report key and these images. Runs first, while the first event is held. */
TEST(genesis, "log-chain-from-the-start")
{
	static struct { u8 prefix[16], key_id[32], rootvisor[48], guardian[48]; } g;
	static struct cvm_report_key key;
	static struct cvm_host_info info;
	u8 chain[32];

	if (host_call(CVM_HOST_EVENTS, 1, &page, sizeof(page)) <= 0)
		BROKEN("RootVisor gives no events");
	if (page.first_seq > 1)
		SKIP_TEST("the first event is gone: run this test alone");
	REQUIRE_EQ(host_call(CVM_HOST_REPORT_KEY, 0, &key, sizeof(key)), 0);
	REQUIRE_EQ(host_call(CVM_HOST_INFO, 0, &info, sizeof(info)), 0);
	copy(g.prefix, CVM_LOG_PREFIX, 16);
	sha256(key.point, 65, g.key_id);
	copy(g.rootvisor, info.rootvisor_digest, 48);
	copy(g.guardian, info.guardian_digest, 48);
	sha256((const u8 *)&g, sizeof(g), chain);
	EXPECT_EQ(compare(page.before, chain, 32), 0);
	EXPECT_EQ(page.ev[0].type, CVM_EV_BOOT);
	EXPECT_EQ(host_call(CVM_HOST_LOG_HEAD, 0, &head, sizeof(head)), 0);
	EXPECT_EQ(compare(head.head.report_key_id, g.key_id, 32), 0);
	EXPECT_EQ(compare(head.head.rootvisor_digest, info.rootvisor_digest, 48), 0);
	EXPECT_EQ(compare(head.head.guardian_digest, info.guardian_digest, 48), 0);
}
