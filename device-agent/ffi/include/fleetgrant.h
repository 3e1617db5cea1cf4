// The Fleetgrant device agent. Made by cbindgen from device-agent/ffi; do not edit.
//
// The agent allocates nothing, keeps no global state, opens no socket and reads no clock. The
// firmware gives it memory, messages and the uptime, and takes from it messages to send, events,
// and whether a feature is on. README.md beside this folder says what to call when.
//
// Every function checks its pointers for null and alignment, and every length against its limit.
// What it cannot check is that a pointer leads to as much memory as its length says; that is the
// caller's to keep, and that the agent is used by one thread at a time.


#ifndef FLEETGRANT_H
#define FLEETGRANT_H

#include <stdint.h>
#include <stddef.h>

// How a call ended. 0 is good; `fg_status_name` names it for a log.
enum fg_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It went well.
  FG_STATUS_OK = 0,
  // There is nothing to give.
  FG_STATUS_NOTHING = 1,
  // A pointer is null or misaligned, or its length impossible.
  FG_STATUS_NULL_POINTER = 2,
  // The memory is smaller than `fg_agent_size`, or not aligned as `fg_agent_align` says.
  FG_STATUS_MEMORY = 3,
  // Memory, request buffer and scratch overlap.
  FG_STATUS_OVERLAP = 4,
  // The agent was called from one of its own callbacks.
  FG_STATUS_BUSY = 5,
  // There is no agent in this memory: it was not started, or has ended.
  FG_STATUS_NOT_STARTED = 6,
  // A text is missing, too long or not UTF-8.
  FG_STATUS_TEXT = 7,
  // A number is none of its enum.
  FG_STATUS_NUMBER = 8,
  // A list is longer than there is room for.
  FG_STATUS_TOO_MANY = 9,
  // A callback that is needed is missing.
  FG_STATUS_CALLBACK = 10,
  // A device id is 1 to 64 of `A-Z a-z 0-9 . _ -`.
  FG_STATUS_DEVICE_ID = 20,
  // The realm has 1 to 64 bytes, without control characters.
  FG_STATUS_REALM = 21,
  // Features are names of 1 to 32 visible characters, all different.
  FG_STATUS_FEATURES = 22,
  // What the platform says is too long, or lacks what it belongs to.
  FG_STATUS_PLATFORM = 23,
  // There are too many roots.
  FG_STATUS_ROOTS = 24,
  // The private key is zero or not below the order of the curve.
  FG_STATUS_PRIVATE_KEY = 25,
  // A key of the authority has no validity or an unknown role.
  FG_STATUS_AUTHORITY_KEY = 26,
  // The scratch buffer is shorter than the stored set.
  FG_STATUS_SCRATCH_TOO_SMALL = 27,
  // A stored record cannot be read.
  FG_STATUS_STORAGE_READ = 40,
  // A record cannot be stored; the old one is still there.
  FG_STATUS_STORAGE_WRITE = 41,
  // There is no room to store a record.
  FG_STATUS_STORAGE_FULL = 42,
  // A stored record is damaged.
  FG_STATUS_STORAGE_DAMAGED = 43,
  // A stored record is older than the last that was written.
  FG_STATUS_STORAGE_ROLLED_BACK = 44,
  // A record was stored and is what counts from the next start on, but the hardware did not count
  // it: until it does, the record before could be put back.
  FG_STATUS_STORAGE_UNCOUNTED = 45,
  // An earlier ask is not answered yet.
  FG_STATUS_OUTSTANDING = 50,
  // A request holds at most eight wants.
  FG_STATUS_TOO_MANY_WANTS = 51,
  // A feature stands twice among the wants.
  FG_STATUS_REPEATED_WANT = 52,
  // The configuration does not name this feature.
  FG_STATUS_UNKNOWN_FEATURE = 53,
  // No such activation is held.
  FG_STATUS_UNKNOWN_ACTIVATION = 54,
  // The buffer is too small for the message.
  FG_STATUS_BUFFER_TOO_SMALL = 55,
  // The key operations gave no certificate.
  FG_STATUS_NO_CERTIFICATE = 56,
  // The key store failed.
  FG_STATUS_KEY_STORE = 57,
  // The activation code is mistyped.
  FG_STATUS_CODE = 58,
  // The feature is off.
  FG_STATUS_FEATURE_OFF = 60,
  // More messages than the device checks: one a second, ten at once.
  FG_STATUS_RATE_LIMITED = 100,
  // Its type is not that of its topic, or not one that comes down.
  FG_STATUS_OTHER_TOPIC = 101,
  // No key of the authority has this id; a request for keys follows.
  FG_STATUS_UNKNOWN_KEY = 102,
  // The key may not sign this message.
  FG_STATUS_KEY_ROLE = 103,
  // The key's validity has ended.
  FG_STATUS_KEY_EXPIRED = 104,
  // The signature is wrong.
  FG_STATUS_BAD_SIGNATURE = 105,
  // It is of another realm.
  FG_STATUS_OTHER_REALM = 106,
  // It is for another device.
  FG_STATUS_OTHER_DEVICE = 107,
  // It is for another key than this device's.
  FG_STATUS_OTHER_KEY = 108,
  // Its epoch is not that of the key that signed it.
  FG_STATUS_KEY_EPOCH = 109,
  // It was issued outside of its key's validity.
  FG_STATUS_ISSUED_OUTSIDE_KEY = 110,
  // The time in which it could be installed is over.
  FG_STATUS_INSTALL_WINDOW = 111,
  // A device that holds nothing takes only what answers its own request.
  FG_STATUS_BLANK_WITHOUT_NONCE = 112,
  // A factory grant has generation 1.
  FG_STATUS_FACTORY_GENERATION = 113,
  // It is older than the set in force.
  FG_STATUS_SUPERSEDED = 114,
  // It has the number of the set in force and is another one; someone should be told.
  FG_STATUS_CONFLICT = 115,
  // The device has no room for so many rights.
  FG_STATUS_SET_TOO_LARGE = 116,
  // It answers no request of this device.
  FG_STATUS_NOT_ASKED = 117,
  // It may be followed once an hour only.
  FG_STATUS_TOO_SOON = 118,
  // It is signed by no pinned root, or by a retired one.
  FG_STATUS_UNKNOWN_ROOT = 119,
  // It is not newer than the key set in force, or older than the firmware allows.
  FG_STATUS_OLD_KEY_SET = 120,
  // It names a key twice, no key for grants, an older epoch, or retires its own signer.
  FG_STATUS_BAD_KEY_SET = 121,
  // A message could not be stored.
  FG_STATUS_NOT_STORED = 150,
  // Longer than the limit of its direction.
  FG_STATUS_MALFORMED_OVERSIZE = 200,
  // The bytes end inside a value.
  FG_STATUS_MALFORMED_TRUNCATED = 201,
  // Bytes follow the last value.
  FG_STATUS_MALFORMED_TRAILING_BYTES = 202,
  // An array, map or string of indefinite length.
  FG_STATUS_MALFORMED_INDEFINITE = 203,
  // A head longer than its value needs (RFC 8949 section 4.2.1).
  FG_STATUS_MALFORMED_NOT_SHORTEST = 204,
  // Map keys out of bytewise order (RFC 8949 section 4.2.1).
  FG_STATUS_MALFORMED_UNSORTED_KEYS = 205,
  // A map key stands twice.
  FG_STATUS_MALFORMED_DUPLICATE_KEY = 206,
  // A value of another type than its place asks for.
  FG_STATUS_MALFORMED_WRONG_TYPE = 207,
  // A text string that is not UTF-8.
  FG_STATUS_MALFORMED_INVALID_UTF8 = 208,
  // A key that this version does not know.
  FG_STATUS_MALFORMED_UNKNOWN_KEY = 209,
  // A text string with a control character.
  FG_STATUS_MALFORMED_CONTROL_CHARACTER = 210,
  // A required key is absent.
  FG_STATUS_MALFORMED_MISSING_KEY = 211,
  // A string longer or shorter than its field allows.
  FG_STATUS_MALFORMED_WRONG_LENGTH = 212,
  // A number, or a character of a name, outside its field's range.
  FG_STATUS_MALFORMED_OUT_OF_RANGE = 213,
  // More elements than the field allows.
  FG_STATUS_MALFORMED_TOO_MANY = 214,
  // Two elements of an array speak of the same thing.
  FG_STATUS_MALFORMED_REPEATED = 215,
  // Not a tagged COSE_Sign1 (RFC 9052 section 4.2).
  FG_STATUS_MALFORMED_NOT_SIGN1 = 216,
  // The unprotected header holds something.
  FG_STATUS_MALFORMED_UNPROTECTED_HEADER = 217,
  // An algorithm other than ES256.
  FG_STATUS_MALFORMED_ALGORITHM = 218,
  // A `typ` that is none of the five, or not the one expected here.
  FG_STATUS_MALFORMED_TYPE = 219,
  // No signer, two, or one of the other direction.
  FG_STATUS_MALFORMED_SIGNER = 220,
  // A protocol version other than 1.
  FG_STATUS_MALFORMED_VERSION = 221,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_status fg_status;
#else
typedef int32_t fg_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The five messages: the last level of their topic.
enum fg_message
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Device to gateway: what it wants. Topic `request`.
  FG_MESSAGE_REQUEST = 1,
  // Device to gateway: what it installed. Topic `ack`.
  FG_MESSAGE_ACK = 2,
  // Gateway to device: the whole set of rights. Topic `grant`.
  FG_MESSAGE_GRANT = 3,
  // Gateway to device: why there is no grant. Topic `notice`.
  FG_MESSAGE_NOTICE = 4,
  // Gateway to device: the authority's keys. Topic `keys`.
  FG_MESSAGE_KEYS = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_message fg_message;
#else
typedef uint32_t fg_message;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What the agent keeps. Each is replaced whole.
enum fg_record
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // The signed grant in force: as long as the largest message and 24 bytes for each right.
  FG_RECORD_SET = 0,
  // Counters, below 128 bytes. Written at every start, every 15 minutes, for every ack and
  // every 16th request.
  FG_RECORD_STATE = 1,
  // The authority's keys, below 1 kB.
  FG_RECORD_KEYS = 2,
  // Usage: 24 bytes for each counted right. Written for each use.
  FG_RECORD_USAGE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_record fg_record;
#else
typedef uint32_t fg_record;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a device asks.
enum fg_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It started.
  FG_REASON_BOOT = 0,
  // It is on the factory line.
  FG_REASON_FACTORY = 1,
  // Its set is due for renewal.
  FG_REASON_RENEW = 2,
  // Its owner wants more.
  FG_REASON_UPGRADE = 3,
  // It gives something back.
  FG_REASON_RETURN = 4,
  // It takes over from another device.
  FG_REASON_REHOST = 5,
  // It needs a stop-gap.
  FG_REASON_TEMPORARY = 6,
  // It lacks the authority's keys.
  FG_REASON_KEYS = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_reason fg_reason;
#else
typedef uint32_t fg_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a notice says.
enum fg_notice
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // The seq was used before.
  FG_NOTICE_STALE_SEQ = 1,
  // The certificate is not known; the agent sends the chain.
  FG_NOTICE_SEND_CHAIN = 2,
  // Not now.
  FG_NOTICE_RETRY_LATER = 3,
  // The agent asks again with a fresh challenge.
  FG_NOTICE_CHALLENGE = 4,
  // Not admitted here.
  FG_NOTICE_NOT_ADMITTED = 5,
  // Waits for an operator.
  FG_NOTICE_QUARANTINED = 6,
  // The device, its key or its certificate was revoked.
  FG_NOTICE_REVOKED = 7,
  // The whole request was denied.
  FG_NOTICE_DENIED = 8,
  // The answer does not fit into what the device takes.
  FG_NOTICE_TOO_LARGE = 9,
  // Signed well, and not understood.
  FG_NOTICE_MALFORMED = 10,
  // For another realm.
  FG_NOTICE_WRONG_REALM = 11,
  // The gateway wants to see the grant; the agent shows it.
  FG_NOTICE_SHOW_GRANT = 12,
  // There is something for the device; the agent asks.
  FG_NOTICE_POKE = 13,
  // Another key holds this id, or another id this key.
  FG_NOTICE_IDENTITY_CONFLICT = 14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_notice fg_notice;
#else
typedef uint32_t fg_notice;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a key of the authority may sign.
enum fg_role
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Grants and notices.
  FG_ROLE_GRANTS = 1,
  // Notices only.
  FG_ROLE_NOTICES = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_role fg_role;
#else
typedef uint32_t fg_role;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happened.
enum fg_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // A set is in force and will be acknowledged: `generation`, `denied`.
  FG_EVENT_KIND_INSTALLED = 1,
  // The authority answered without a grant: `notice`.
  FG_EVENT_KIND_NOTICE = 2,
  // A key set is in force: `generation`.
  FG_EVENT_KIND_KEYS_INSTALLED = 3,
  // A feature went on or off: `feature`, `on`.
  FG_EVENT_KIND_FEATURE_CHANGED = 4,
  // A message was refused: `message`, `reason`.
  FG_EVENT_KIND_REFUSED = 5,
  // A record was lost or cannot be written: `record`, `reason`.
  FG_EVENT_KIND_STORAGE = 6,
  // A request that was due could not be made, and is tried again: `reason`.
  FG_EVENT_KIND_CANNOT_ASK = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_event_kind fg_event_kind;
#else
typedef uint32_t fg_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a message was taken as.
enum fg_taken_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // A new set, in force now: `generation`, `rights`, `denials`.
  FG_TAKEN_KIND_INSTALLED = 1,
  // The set in force once more: the same fields.
  FG_TAKEN_KIND_AGAIN = 2,
  // A notice: `notice`, `retry_after`, `text`.
  FG_TAKEN_KIND_NOTICE = 3,
  // A key set, in force now: `generation`.
  FG_TAKEN_KIND_KEYS = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_taken_kind fg_taken_kind;
#else
typedef uint32_t fg_taken_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether a feature may be used.
enum fg_feature_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It is off: `off` says why.
  FG_FEATURE_STATE_OFF = 0,
  // It is on.
  FG_FEATURE_STATE_ON = 1,
  // Its end has passed and its grace has not, or it goes off at the next start: on, with a
  // warning to the user.
  FG_FEATURE_STATE_GRACE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_feature_state fg_feature_state;
#else
typedef uint32_t fg_feature_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a feature is off.
enum fg_off
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // No right to it is held.
  FG_OFF_NOT_GRANTED = 1,
  // The firmware is newer than the right's version ceiling.
  FG_OFF_VERSION_CEILING = 2,
  // Its start lies ahead.
  FG_OFF_NOT_STARTED = 3,
  // Its end and its grace have passed.
  FG_OFF_ENDED = 4,
  // The device was out of contact for longer than its lease.
  FG_OFF_LEASE_ENDED = 5,
  // Its count is used up.
  FG_OFF_USED_UP = 6,
  // The firmware was built at or after the right's build ceiling.
  FG_OFF_BUILD_CEILING = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_off fg_off;
#else
typedef uint32_t fg_off;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Under which licence model a right runs.
enum fg_model
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // No end.
  FG_MODEL_PERPETUAL = 1,
  // A term, renewable.
  FG_MODEL_SUBSCRIPTION = 2,
  // Once per device and product.
  FG_MODEL_EVALUATION = 3,
  // A stop-gap.
  FG_MODEL_TEMPORARY = 4,
  // Paid by use.
  FG_MODEL_METERED = 5,
  // A count of uses.
  FG_MODEL_COUNTED = 6,
  // A version ceiling on other rights.
  FG_MODEL_MAINTENANCE = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fg_model fg_model;
#else
typedef uint32_t fg_model;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An agent. It lives in the memory that `fg_agent_start` was given, and must not be moved.
//
// The agent in it borrows the profile, and that the lists, so nothing here is ever borrowed as a
// whole: each field is reached by a pointer of its own.
typedef struct fg_agent fg_agent;

// Bytes that somebody else owns. Null only if the length is 0.
typedef struct {
  // The first byte.
  const uint8_t *data;
  // How many.
  size_t len;
} fg_slice;

// A P-256 public key by its coordinates, big-endian.
typedef struct {
  // x.
  uint8_t x[32];
  // y.
  uint8_t y[32];
} fg_public_key;

// A key of the authority.
typedef struct {
  // The key.
  fg_public_key key;
  // What it signed before this instant is refused (seconds since 1970).
  uint64_t not_before;
  // What it signed at or after this instant is refused.
  uint64_t not_after;
  // A grant's epoch must be its key's.
  uint32_t epoch;
  // One of `fg_role`.
  uint32_t role;
} fg_authority_key;

// Where records are kept. When the power fails during `store`, afterwards the old record or the
// new one must be there, never a mix and never neither.
typedef struct {
  // Passed to both.
  void *user;
  // Copies the record's bytes from `offset` on into `buffer`, as many as there are and fit, and
  // writes their number to `loaded`: 0 past the end, or if there is no such record. Returns
  // `FG_STATUS_OK`; `FG_STATUS_STORAGE_ROLLED_BACK` if the hardware can count and the record is
  // not the last that was written; or anything else if reading failed.
  int32_t (*load)(void *user,
                  uint32_t record,
                  size_t offset,
                  uint8_t *buffer,
                  size_t len,
                  size_t *loaded);
  // Replaces the record by the parts, one behind the other, and returns when that is durable:
  // `FG_STATUS_OK`, `FG_STATUS_STORAGE_FULL`, or anything else if writing failed.
  int32_t (*store)(void *user, uint32_t record, const fg_slice *parts, size_t parts_len);
} fg_storage;

// The device's key, its certificates, and randomness. With `private_key` the agent signs in
// software, and `sign` and `public_key` are not used; without it, a secure element signs.
typedef struct {
  // Passed to all functions.
  void *user;
  // The private scalar, 32 bytes big-endian, copied during the start; or null.
  const uint8_t *private_key;
  // The public key that the certificate bears, copied during the start.
  const fg_public_key *public_key;
  // Writes the DER of a certificate of the chain to `certificate`: the leaf at 0, then its
  // issuers, the root left out. The bytes must stay until the agent's call returns. Returns
  // `FG_STATUS_OK`, or `FG_STATUS_NOTHING` past the last.
  int32_t (*certificate)(void *user, size_t index, fg_slice *certificate);
  // Signs the SHA-256 digest (32 bytes) with ECDSA: r and s, 32 bytes each, big-endian. Returns
  // `FG_STATUS_OK`, or anything else if it failed.
  int32_t (*sign)(void *user, const uint8_t *digest, uint8_t *signature);
  // Whether the signature (64 bytes) over the digest (32 bytes) is good under the key: returns
  // `FG_STATUS_OK` only then. It must refuse r or s of zero or not below the group's order, and
  // a key that is no point of the curve. Null: checked in software.
  int32_t (*verify)(void *user,
                    const fg_public_key *key,
                    const uint8_t *digest,
                    const uint8_t *signature);
  // Fills the buffer with bytes that nobody can guess. Returns `FG_STATUS_OK`, or anything else
  // if it failed.
  int32_t (*random)(void *user, uint8_t *buffer, size_t len);
} fg_keys;

// What an agent is started with. Texts end with a zero byte. What a field says stays with the
// agent must stay in place, unchanged, until `fg_agent_end`; the rest is needed during the start
// only.
typedef struct {
  // The id that the certificate proves: 1 to 64 of `A-Z a-z 0-9 . _ -`. Stays with the agent.
  const char *device;
  // The realm the device was provisioned for, 1 to 64 bytes. Stays with the agent.
  const char *realm;
  // Maker of the hardware, as a private enterprise number; 0: none, or `oem_id`.
  uint32_t oem_pen;
  // Maker of the hardware: an OUI (3 bytes) or a random id (16); or empty. Stays with the agent.
  fg_slice oem_id;
  // Model, 1 to 32 bytes, only with a maker; or empty. Stays with the agent.
  fg_slice hw_model;
  // Name of the firmware, 1 to 32 bytes, or null. Stays with the agent.
  const char *sw_name;
  // Version of the firmware, or null; without it every right with a version ceiling is refused.
  // Stays with the agent.
  const char *sw_version;
  // When the firmware was built, in seconds since 1970, or 0; without it every right with a
  // build ceiling is refused.
  uint64_t sw_built;
  // The features this firmware knows. The names stay with the agent, the list need not.
  const char *const *features;
  // How many: at most `FLEETGRANT_FEATURES` of the build, which is 32 if not set.
  size_t features_len;
  // The authority's keys that the firmware was built with.
  const fg_authority_key *authority_keys;
  // How many: at most `FLEETGRANT_KEYS` of the build, which is 2 if not set.
  size_t authority_keys_len;
  // The authority's offline roots, which sign key sets.
  const fg_public_key *roots;
  // How many: at most 2. None: the device takes no key set.
  size_t roots_len;
  // A key set below this generation is refused.
  uint32_t min_key_set;
  // The largest message the device takes, 512 to 4096 bytes.
  uint32_t max_down;
  // Holds the request that is outstanding: 512 bytes for one by thumbprint, 2 kB with a chain
  // of P-256 certificates, 6 kB with RSA issuers. Stays with the agent, which alone uses it.
  uint8_t *request;
  // Its length.
  size_t request_len;
  // To check the stored grant: as long as `max_down`.
  uint8_t *scratch;
  // Its length.
  size_t scratch_len;
  // Where records are kept. What `user` leads to stays with the agent.
  fg_storage storage;
  // The device's key. What `user` leads to stays with the agent.
  fg_keys keys;
} fg_config;

// A want that was denied. Texts lead into the message and have no zero byte at their end.
typedef struct {
  // The feature; empty for the activation code.
  fg_slice feature;
  // The name of the rule that denied it.
  fg_slice rule;
  // Seconds after which it may be asked for again; -1 if waiting does not help.
  int64_t retry_after;
} fg_denial;

// What a message said. Fields that its kind does not name are 0 or empty.
typedef struct {
  // One of `fg_taken_kind`.
  uint32_t kind;
  // Number of the set or key set.
  uint64_t generation;
  // Rights in the set.
  uint32_t rights;
  // One of `fg_notice`.
  uint32_t notice;
  // Seconds to wait; -1 if the notice does not say.
  int64_t retry_after;
  // The notice's text for a log. Leads into the message.
  fg_slice text;
  // Denials in `denials`.
  uint32_t denials_len;
  // Wants that were denied.
  fg_denial denials[8];
} fg_taken;

// A message to publish, in the buffer that was handed over.
typedef struct {
  // Its type: one of `fg_message`.
  uint32_t message;
  // Its length.
  size_t len;
} fg_transmit;

// Something happened. Fields that its kind does not name are 0.
typedef struct {
  // One of `fg_event_kind`.
  uint32_t kind;
  // Number of the set or key set.
  uint64_t generation;
  // Wants that were denied.
  uint32_t denied;
  // One of `fg_notice`.
  uint32_t notice;
  // Place in the list of features.
  uint32_t feature;
  // 1 if it went on.
  uint32_t on;
  // One of `fg_message`.
  uint32_t message;
  // One of `fg_record`.
  uint32_t record;
  // Why: one of `fg_status`.
  int32_t reason;
} fg_event;

// The set in force.
typedef struct {
  // Epoch of the key that signed it.
  uint32_t epoch;
  // Its number.
  uint64_t generation;
  // Its id.
  uint8_t cti[16];
} fg_held;

// A feature and the units wanted of it in all; fewer than held is a return.
typedef struct {
  // The feature's name.
  const char *feature;
  // Units in all.
  uint32_t total;
} fg_want;

// What is asked for. All empty: whatever is owed.
typedef struct {
  // One of `fg_reason`.
  uint32_t reason;
  // Features wanted, at most 8.
  const fg_want *wants;
  // How many.
  size_t wants_len;
  // An activation code as somebody typed it, or null.
  const char *code;
  // The activations (16 bytes each) that a return, rehost or temporary is about.
  const uint8_t (*concerned)[16];
  // How many, at most 64.
  size_t concerned_len;
} fg_ask;

// How a feature stands.
typedef struct {
  // One of `fg_feature_state`.
  uint32_t state;
  // One of `fg_off`, or 0.
  uint32_t off;
  // When that ends without contact, in seconds since 1970; `UINT64_MAX`: never, or, past its
  // end, at the next start.
  uint64_t until;
  // Uses left; `UINT64_MAX`: they are not counted down.
  uint64_t remaining;
} fg_feature;

// A right of the set in force, as the authority signed it. Slices lead into the scratch, and have
// no zero byte at their end.
typedef struct {
  // The feature's name.
  fg_slice feature;
  // The maker's own data, at most 64 bytes; empty if there is none.
  fg_slice vendor_data;
  // The newest firmware version it is good for; empty: any.
  fg_slice version_ceiling;
  // The activation that gives it; several rights may come from one.
  uint8_t activation[16];
  // One of `fg_model`.
  uint32_t model;
  // Seconds it goes on past `end`, with a warning.
  uint32_t grace;
  // From when, in seconds since 1970; 0: from the beginning.
  uint64_t start;
  // Until when; `UINT64_MAX`: for ever.
  uint64_t end;
  // How many uses; `UINT64_MAX`: it is not counted down. `fg_agent_is_on` says how many are left.
  uint64_t count;
  // Firmware built at or after this instant does not turn it on; `UINT64_MAX`: there is none.
  uint64_t build_ceiling;
  // 1 if what is on at its end, and after its grace, stays on until the device next starts.
  uint32_t ends_at_next_start;
} fg_right;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The name of a status, for a log: it stays for ever and ends with a zero byte. "unknown" for a
// number that is no status.
const char *fg_status_name(int32_t status);

// Bytes of memory that an agent takes.
size_t fg_agent_size(void);

// What the address of its memory must be a multiple of.
size_t fg_agent_align(void);

// Starts an agent in `memory` and writes its handle to `agent`. Call it once after each start of
// the device: the rights that were stored are in force when it returns, and a request is due at
// once. `now` is the uptime in milliseconds, here and everywhere; it never goes back.
//
// If it fails there is no agent. An agent that is in the memory already must have been ended.
//
// What the caller answers for:
// `memory` leads to `memory_len` bytes that have been written at some time (zeros will do) and
// that nobody else touches until the agent has ended. `config` and what it leads to are as its
// fields say.
fg_status fg_agent_start(uint8_t *memory,
                         size_t memory_len,
                         const fg_config *config,
                         uint64_t now,
                         fg_agent **agent);

// Ends an agent; what it has stored stays. Its memory may be used for something else.
//
// What the caller answers for:
// `agent` is a handle of `fg_agent_start`, or null.
fg_status fg_agent_end(fg_agent *agent);

// Takes a message from the authority. Call it for every message that comes in on one of the
// device's own topics, with the type that the topic names, or with a file and the type that
// `fg_message_of_file` gives. What it says is written to `taken`, unless that is null; the texts
// there lead into `bytes`. A message that is refused changes nothing, and is an event too.
//
// What the caller answers for:
// `agent` is a handle; `bytes` leads to `len` bytes; `taken` is null or leads to one.
fg_status fg_agent_handle_message(fg_agent *agent,
                                  uint32_t message,
                                  const uint8_t *bytes,
                                  size_t len,
                                  uint64_t now,
                                  fg_taken *taken);

// Does what is due. Call it at the time `fg_agent_poll_timeout` gave; earlier does no harm.
//
// What the caller answers for:
// `agent` is a handle.
fg_status fg_agent_handle_timeout(fg_agent *agent, uint64_t now);

// Writes to `at` when to call `fg_agent_handle_timeout` next; `FG_STATUS_NOTHING`: never.
//
// What the caller answers for:
// `agent` is a handle; `at` leads to a number.
fg_status fg_agent_poll_timeout(fg_agent *agent, uint64_t *at);

// Writes the next message to publish into `buffer`, and its type and length to `transmit`. Call
// it until it says `FG_STATUS_NOTHING`, while there is a connection: what it gives counts as sent.
//
// The buffer must be as long as the request's, and at least 512 bytes and 50 for each right; to
// show the grant to a gateway that asks for it, it takes twice the grant more.
//
// What the caller answers for:
// `agent` is a handle; `buffer` leads to `len` bytes that are no part of the agent's request
// buffer; `transmit` leads to one.
fg_status fg_agent_poll_transmit(fg_agent *agent,
                                 uint8_t *buffer,
                                 size_t len,
                                 fg_transmit *transmit);

// Writes the next thing that happened to `event`. Call it until it says `FG_STATUS_NOTHING`; the
// newest six are kept.
//
// What the caller answers for:
// `agent` is a handle; `event` leads to one.
fg_status fg_agent_poll_event(fg_agent *agent, fg_event *event);

// Sends what is outstanding at once, unless the gateway said when. Call it when a connection is
// there (again).
//
// What the caller answers for:
// `agent` is a handle.
fg_status fg_agent_resend(fg_agent *agent, uint64_t now);

// Tells the agent of a wall clock, in seconds since 1970. It can only add. Call it when a clock
// was set, and now and then.
//
// What the caller answers for:
// `agent` is a handle.
fg_status fg_agent_set_clock(fg_agent *agent, uint64_t unix_secs, uint64_t now);

// Writes to `unix_secs` the time that the true time is not below, in seconds since 1970.
//
// What the caller answers for:
// `agent` is a handle; `unix_secs` leads to a number.
fg_status fg_agent_clock_floor(fg_agent *agent, uint64_t now, uint64_t *unix_secs);

// Writes to `held` which set is in force; `FG_STATUS_NOTHING`: none.
//
// What the caller answers for:
// `agent` is a handle; `held` leads to one.
fg_status fg_agent_held(fg_agent *agent, fg_held *held);

// Writes to `message` the type of a message that came in a file; `FG_STATUS_NOTHING`: it is none.
//
// What the caller answers for:
// `bytes` leads to `len` bytes; `message` leads to a number.
fg_status fg_message_of_file(const uint8_t *bytes, size_t len, uint32_t *message);

// The last level of the topic of a message: it stays for ever and ends with a zero byte. Null for
// a number that is none of `fg_message`.
const char *fg_message_name(uint32_t message);

// Asks the authority. One request is outstanding at a time: a routine one gives way, another ask
// does not (`FG_STATUS_OUTSTANDING`).
//
// What the caller answers for:
// `agent` is a handle; `ask` leads to one, and its lists are as its fields say.
fg_status fg_agent_ask(fg_agent *agent, const fg_ask *ask, uint64_t now);

// Gives up what was asked, if it is not answered yet; another ask may follow.
//
// What the caller answers for:
// `agent` is a handle.
fg_status fg_agent_withdraw(fg_agent *agent, uint64_t now);

// Writes a request for a file into `buffer`, and its length to `written`. The next one takes its
// place.
//
// What the caller answers for:
// As for `fg_agent_ask`; `buffer` leads to `len` bytes and `written` to a number.
fg_status fg_agent_export_request(fg_agent *agent,
                                  const fg_ask *ask,
                                  uint8_t *buffer,
                                  size_t len,
                                  uint64_t now,
                                  size_t *written);

// Writes an acknowledgement of the set in force for a file into `buffer`, and its length to
// `written`; `FG_STATUS_NOTHING`: no set is held.
//
// What the caller answers for:
// `agent` is a handle; `buffer` leads to `len` bytes and `written` to a number.
fg_status fg_agent_export_ack(fg_agent *agent,
                              uint8_t *buffer,
                              size_t len,
                              uint64_t now,
                              size_t *written);

// Whether a feature is on: `FG_STATUS_OK` means that it may be used, anything else that it may
// not. Cheap: no parsing, no storage. `state` is null, or gets the whole of it.
//
// What the caller answers for:
// `agent` is a handle; `feature` is a text that ends with a zero byte; `state` is null or leads to
// one.
fg_status fg_agent_is_on(fg_agent *agent, const char *feature, uint64_t now, fg_feature *state);

// Counts one use of a feature: `FG_STATUS_OK` means that it was counted and may be used. The new
// total is stored before this returns. `state` is null, or gets how the feature stands then.
//
// What the caller answers for:
// As for `fg_agent_is_on`.
fg_status fg_agent_use_one(fg_agent *agent, const char *feature, uint64_t now, fg_feature *state);

// Writes the rights of the set in force to `rights`, and their number to `count`: for what the
// agent does not keep in memory, like the maker's own data. The stored grant is read into `scratch`
// and its signature checked anew, so call it when something was installed and after a start, and
// keep what you need. Whether a right is on is for `fg_agent_is_on` to say.
//
// `FG_STATUS_NOTHING`: no set is held. `FG_STATUS_TOO_MANY`: there are more than `rights_len`, as
// `count` says; the first are written. `FG_STATUS_BUFFER_TOO_SMALL`: `scratch` is shorter than the
// grant.
//
// What the caller answers for:
// `agent` is a handle; `scratch` leads to `scratch_len` bytes that are no part of the agent's
// request buffer, `rights` to `rights_len` rights, `count` to a number. What was written leads into
// the scratch.
fg_status fg_agent_rights(fg_agent *agent,
                          uint8_t *scratch,
                          size_t scratch_len,
                          fg_right *rights,
                          size_t rights_len,
                          size_t *count);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FLEETGRANT_H */
