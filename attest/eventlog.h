/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TCG crypto-agile event log (TCG PC Client Platform Firmware Profile 1.05, 10): read and replayed.
 *
 * A replay proves digests and the order of the events of one PCR, in the bank replayed. It proves nothing
 * about an event's type, its data, its place among the events of other PCRs, or the digests of other banks:
 * whoever carries the log may lie there. Code that decides uses the digest; data only where it is hashed and
 * compared, see cvm_log_data_is_measured().
 */
#ifndef CVM_ATTEST_EVENTLOG_H
#define CVM_ATTEST_EVENTLOG_H

#include "pcrs.h"
#include "reader.h"

#define CVM_LOG_MAX (512u << 10) /* bytes */
#define CVM_LOG_EVENTS_MAX 4096
#define CVM_LOG_BANKS_MAX 8

#define CVM_EV_POST_CODE 0x1
#define CVM_EV_NO_ACTION 0x3
#define CVM_EV_SEPARATOR 0x4
#define CVM_EV_EVENT_TAG 0x6
#define CVM_EV_IPL 0xd

struct cvm_log {
    struct cvm_reader events; /* behind the header */
    unsigned nr_banks;
    struct {
        uint16_t hash, size;
    } bank[CVM_LOG_BANKS_MAX];
    unsigned nr_seen;
};

struct cvm_log_event {
    unsigned number; /* from 1, the header is event 0 */
    uint32_t pcr, type;
    const uint8_t *digest[CVM_LOG_BANKS_MAX]; /* by bank of the log */
    const uint8_t *data;
    uint32_t size;
};

/**
 * cvm_log_open - check the header (Spec ID Event03)
 * @buf, @size: untrusted; lent as long as @ret is used
 *
 * Returns 0; -EFBIG: more than CVM_LOG_MAX bytes; -EPROTONOSUPPORT: no crypto-agile log; -EINVAL: malformed.
 */
int cvm_log_open(const void *buf, size_t size, struct cvm_log *ret, struct cvm_error *e);

/**
 * cvm_log_next - the next event
 * @ev: lent: lives as long as the bytes of the log
 *
 * Returns 1; 0 at the end; -EINVAL: malformed; -E2BIG: more than CVM_LOG_EVENTS_MAX events.
 */
int cvm_log_next(struct cvm_log *log, struct cvm_log_event *ev, struct cvm_error *e);

/* Which bank of the log has this hash, or -ENOENT. */
int cvm_log_bank(const struct cvm_log *log, uint16_t hash);

/**
 * cvm_log_replay - what the log makes of the PCRs of a bank
 * @log: at its beginning; copied
 *
 * Every event but EV_NO_ACTION extends. An EV_NO_ACTION "StartupLocality" gives PCR 0 its start value.
 * Returns 0; -ENOENT: the log has no digests of this bank; what cvm_log_next() returns; -EIO.
 */
int cvm_log_replay(const struct cvm_log *log, uint16_t hash, struct cvm_pcrs *ret, struct cvm_error *e);

/* Whether the digest in bank @bank is the hash of the event's own data. */
bool cvm_log_data_is_measured(const struct cvm_log *log, const struct cvm_log_event *ev, int bank);

/* "EV_SEPARATOR", ..., or NULL. */
const char *cvm_log_type_name(uint32_t type);

#endif
