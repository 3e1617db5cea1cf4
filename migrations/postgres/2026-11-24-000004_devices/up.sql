-- What the entitlements are for.

CREATE TABLE factory_batches (
    id BYTEA NOT NULL PRIMARY KEY,
    reference TEXT COLLATE "C" NOT NULL,
    manufacturer_id BYTEA REFERENCES parties (id),
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT factory_batch_reference_is_unique UNIQUE (reference)
);

CREATE TABLE devices (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    product_line_id BYTEA NOT NULL REFERENCES product_lines (id),
    serial TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    purpose SMALLINT NOT NULL,
    -- Of the factory manifest and the shipment, never of the device's own word.
    on_manifest BOOLEAN NOT NULL,
    hwmodel BYTEA,
    storage_class SMALLINT NOT NULL,
    expected_key BYTEA,
    batch_id BYTEA REFERENCES factory_batches (id),
    owner_id BYTEA REFERENCES parties (id),
    order_line_id BYTEA REFERENCES order_lines (id),
    site TEXT COLLATE "C",
    -- Of the device's own word.
    said_maker TEXT COLLATE "C",
    said_hwmodel BYTEA,
    boot_count BIGINT,
    said_clock_at BIGINT,
    software_name TEXT COLLATE "C",
    software_version TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    admitted_at BIGINT,
    CONSTRAINT device_serial_is_unique UNIQUE (product_line_id, serial),
    CONSTRAINT device_id_fits_the_topic CHECK (length(id) BETWEEN 1 AND 64)
);

CREATE INDEX devices_by_serial ON devices (serial);
CREATE INDEX devices_by_owner ON devices (owner_id);
CREATE INDEX devices_by_order_line ON devices (order_line_id);
CREATE INDEX devices_by_state ON devices (state);

-- What was last heard of a device and last answered; apart from the device, since every message
-- changes it.
CREATE TABLE conversations (
    device_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES devices (id),
    -- The last request that counted; the answer is CBOR, given again to the same request.
    last_seq BIGINT,
    last_digest BYTEA,
    last_answer BYTEA,
    key_set_generation BIGINT NOT NULL DEFAULT 0,
    max_down BIGINT NOT NULL DEFAULT 4096,
    -- The highest generation ever used for the device, and the set it last signed for.
    generation BIGINT NOT NULL DEFAULT 0,
    acked_epoch BIGINT,
    acked_generation BIGINT,
    acked_cti BYTEA,
    acked_n BIGINT,
    acked_at BIGINT,
    -- No new rights, and no returns, until an operator has looked.
    frozen BOOLEAN NOT NULL DEFAULT FALSE,
    returns_stopped BOOLEAN NOT NULL DEFAULT FALSE,
    -- Challenges and tallies, as CBOR: read and written whole, and by nobody but the conversation.
    memory BYTEA NOT NULL,
    first_contact_at BIGINT,
    last_contact_at BIGINT,
    CONSTRAINT conversation_acked_nothing_unissued CHECK (acked_generation <= generation),
    CONSTRAINT conversation_request_is_whole
        CHECK ((last_seq IS NULL) = (last_digest IS NULL) AND (last_seq IS NULL) = (last_answer IS NULL)),
    CONSTRAINT conversation_acked_is_whole
        CHECK ((acked_generation IS NULL) = (acked_epoch IS NULL) AND (acked_generation IS NULL) = (acked_cti IS NULL)
            AND (acked_generation IS NULL) = (acked_n IS NULL) AND (acked_generation IS NULL) = (acked_at IS NULL))
);

CREATE TABLE credentials (
    id BYTEA NOT NULL PRIMARY KEY,
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    key_thumbprint BYTEA NOT NULL,
    certificate_thumbprint BYTEA NOT NULL,
    chain BYTEA NOT NULL,
    anchor TEXT COLLATE "C" NOT NULL,
    not_after_at BIGINT NOT NULL,
    -- Under which anchors and revocations the chain was last found good, and until when it is.
    verified_under BYTEA NOT NULL,
    in_force_until_at BIGINT NOT NULL,
    issuer_expired BOOLEAN NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT credential_key_is_unique UNIQUE (key_thumbprint),
    CONSTRAINT credential_certificate_is_unique UNIQUE (certificate_thumbprint),
    CONSTRAINT credential_thumbprints_have_32_bytes
        CHECK (length(key_thumbprint) = 32 AND length(certificate_thumbprint) = 32)
);

CREATE UNIQUE INDEX credential_current_is_unique ON credentials (device_id) WHERE state = 1;
CREATE INDEX credentials_by_device ON credentials (device_id);

CREATE TABLE shipments (
    id BYTEA NOT NULL PRIMARY KEY,
    system TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    order_line_id BYTEA NOT NULL REFERENCES order_lines (id),
    quantity BIGINT NOT NULL,
    shipped_at BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT shipment_line_is_unique UNIQUE (system, reference, order_line_id),
    CONSTRAINT shipment_has_a_quantity CHECK (quantity > 0)
);

CREATE INDEX shipments_by_order_line ON shipments (order_line_id);

-- A serial can ship twice: it came back in between.
CREATE TABLE shipment_serials (
    shipment_id BYTEA NOT NULL REFERENCES shipments (id),
    serial TEXT COLLATE "C" NOT NULL,
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    PRIMARY KEY (shipment_id, device_id)
);

CREATE INDEX shipment_serials_by_device ON shipment_serials (device_id);
