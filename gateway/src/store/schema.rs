//! The tables, printed from the migrated database.
#![allow(missing_docs)]

diesel::table! {
    activation_codes (id) {
        id -> Binary,
        hmac_key -> Binary,
        entitlement_id -> Binary,
        units -> BigInt,
        uses -> BigInt,
        used -> BigInt,
        failures -> BigInt,
        failed_at -> Nullable<BigInt>,
        partner_id -> Nullable<Binary>,
        pack -> Text,
        expires_at -> Nullable<BigInt>,
        state -> SmallInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    activations (id) {
        id -> Binary,
        entitlement_id -> Binary,
        device_id -> Text,
        units -> BigInt,
        kind -> SmallInt,
        origin -> SmallInt,
        state -> SmallInt,
        removal_reason -> Nullable<SmallInt>,
        lineage_id -> Binary,
        predecessor_id -> Nullable<Binary>,
        code_id -> Nullable<Binary>,
        starts_at -> Nullable<BigInt>,
        ends_at -> Nullable<BigInt>,
        grace_seconds -> Nullable<BigInt>,
        lease_ends_at -> Nullable<BigInt>,
        runs_until_at -> Nullable<BigInt>,
        removed_epoch -> Nullable<BigInt>,
        removed_generation -> Nullable<BigInt>,
        removing_since_at -> Nullable<BigInt>,
        usage_total -> BigInt,
        created_at -> BigInt,
        changed_at -> BigInt,
        activated_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        taken_up_units -> BigInt,
        stranded -> Bool,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Binary,
        name -> Text,
        token_hash -> Binary,
        roles -> BigInt,
        party_id -> Nullable<Binary>,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        product_line_id -> Nullable<Binary>,
    }
}

diesel::table! {
    campaign_activations (campaign_id, device_id, activation_id) {
        campaign_id -> Binary,
        device_id -> Text,
        activation_id -> Binary,
        taken -> Bool,
    }
}

diesel::table! {
    campaign_devices (campaign_id, device_id) {
        campaign_id -> Binary,
        device_id -> Text,
        rank -> BigInt,
        wave -> Nullable<SmallInt>,
        step -> SmallInt,
        failing -> Nullable<SmallInt>,
        rule -> Nullable<SmallInt>,
        drawn_at -> Nullable<BigInt>,
        changed_at -> BigInt,
    }
}

diesel::table! {
    campaign_waves (campaign_id, number) {
        campaign_id -> Binary,
        number -> SmallInt,
        late -> Bool,
        state -> SmallInt,
        size -> BigInt,
        drawn -> BigInt,
        succeeded -> BigInt,
        failed -> BigInt,
        skipped -> BigInt,
        excused -> BigInt,
    }
}

diesel::table! {
    campaigns (id) {
        id -> Binary,
        name -> Text,
        give_id -> Nullable<Binary>,
        total -> Nullable<BigInt>,
        take_entitlement_id -> Nullable<Binary>,
        take_product_id -> Nullable<Binary>,
        selection -> Text,
        plan -> Text,
        state -> SmallInt,
        because -> Nullable<SmallInt>,
        revision -> BigInt,
        swept_to -> Nullable<Text>,
        created_by -> Text,
        created_at -> BigInt,
        changed_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        upgrade_to_id -> Nullable<Binary>,
    }
}

diesel::table! {
    cases (id) {
        id -> Binary,
        device_id -> Text,
        want -> Text,
        step -> SmallInt,
        state -> SmallInt,
        rule -> Nullable<SmallInt>,
        opened_at -> BigInt,
        changed_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        total -> Nullable<BigInt>,
        requested_by -> Text,
        decided_by -> Nullable<Text>,
    }
}

diesel::table! {
    catalogue_stamps (id) {
        id -> SmallInt,
        stamp -> BigInt,
    }
}

diesel::table! {
    contracts (id) {
        id -> Binary,
        party_id -> Binary,
        reference -> Text,
        coterm_at -> Nullable<BigInt>,
        policy -> Nullable<Text>,
        state -> SmallInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    conversations (device_id) {
        device_id -> Text,
        last_seq -> Nullable<BigInt>,
        last_digest -> Nullable<Binary>,
        last_answer -> Nullable<Binary>,
        key_set_generation -> BigInt,
        max_down -> BigInt,
        generation -> BigInt,
        acked_epoch -> Nullable<BigInt>,
        acked_generation -> Nullable<BigInt>,
        acked_cti -> Nullable<Binary>,
        acked_n -> Nullable<BigInt>,
        acked_at -> Nullable<BigInt>,
        frozen -> Bool,
        returns_stopped -> Bool,
        memory -> Binary,
        first_contact_at -> Nullable<BigInt>,
        last_contact_at -> Nullable<BigInt>,
        boot_count -> Nullable<BigInt>,
        said_clock_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    credentials (id) {
        id -> Binary,
        device_id -> Text,
        key_thumbprint -> Binary,
        certificate_thumbprint -> Binary,
        chain -> Binary,
        anchor -> Text,
        not_after_at -> BigInt,
        verified_under -> Binary,
        in_force_until_at -> BigInt,
        issuer_expired -> Bool,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    devices (id) {
        id -> Text,
        product_line_id -> Binary,
        serial -> Text,
        state -> SmallInt,
        purpose -> SmallInt,
        on_manifest -> Bool,
        hwmodel -> Nullable<Binary>,
        storage_class -> SmallInt,
        expected_key -> Nullable<Binary>,
        batch_id -> Nullable<Binary>,
        owner_id -> Nullable<Binary>,
        order_line_id -> Nullable<Binary>,
        site -> Nullable<Text>,
        said_maker -> Nullable<Text>,
        said_hwmodel -> Nullable<Binary>,
        software_name -> Nullable<Text>,
        software_version -> Nullable<Text>,
        created_at -> BigInt,
        changed_at -> BigInt,
        admitted_at -> Nullable<BigInt>,
        key_loss -> Nullable<SmallInt>,
    }
}

diesel::table! {
    entitlement_links (id) {
        id -> Binary,
        from_id -> Binary,
        to_id -> Binary,
        kind -> SmallInt,
        units -> BigInt,
        created_at -> BigInt,
        waiting_units -> BigInt,
    }
}

diesel::table! {
    entitlement_looks (entitlement_id) {
        entitlement_id -> Binary,
        look_at -> BigInt,
    }
}

diesel::table! {
    entitlement_renewals (entitlement_id, reference) {
        entitlement_id -> Binary,
        reference -> Text,
        ended_at -> BigInt,
        ends_at -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    entitlement_usage (entitlement_id) {
        entitlement_id -> Binary,
        used -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    entitlements (id) {
        id -> Binary,
        system -> Text,
        reference -> Text,
        owner_id -> Nullable<Binary>,
        product_id -> Binary,
        license_model_id -> Binary,
        order_line_id -> Nullable<Binary>,
        state -> SmallInt,
        source -> SmallInt,
        purpose -> SmallInt,
        scope -> SmallInt,
        model_kind -> SmallInt,
        model_rules -> Text,
        grace_seconds -> BigInt,
        unlimited -> Bool,
        units -> BigInt,
        units_per_device -> BigInt,
        overdraft -> BigInt,
        live_units -> BigInt,
        pending_credit -> BigInt,
        start_basis -> SmallInt,
        starts_at -> Nullable<BigInt>,
        latest_start_at -> Nullable<BigInt>,
        term -> Nullable<Text>,
        ends_at -> Nullable<BigInt>,
        time_zone -> Text,
        created_at -> BigInt,
        changed_at -> BigInt,
        returned_units -> BigInt,
        holds -> SmallInt,
        revoked_from_at -> Nullable<BigInt>,
        maintained_until_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    events (position) {
        position -> BigInt,
        stream -> Text,
        seq -> BigInt,
        previous_hash -> Binary,
        hash -> Binary,
        kind -> SmallInt,
        at -> BigInt,
        actor -> Text,
        cause -> Binary,
        body -> Binary,
        personal -> Nullable<Text>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    factory_batches (id) {
        id -> Binary,
        reference -> Text,
        manufacturer_id -> Nullable<Binary>,
        state -> SmallInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    features (id) {
        id -> Binary,
        name -> Text,
        title -> Text,
        essential -> Bool,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    grant_sets (device_id, generation) {
        device_id -> Text,
        generation -> BigInt,
        epoch -> BigInt,
        cti -> Binary,
        payload -> Binary,
        activation_ids -> Binary,
        nonce -> Nullable<Binary>,
        install_until_at -> BigInt,
        created_at -> BigInt,
        delivery_state -> SmallInt,
        attempts -> BigInt,
        next_attempt_at -> Nullable<BigInt>,
        leased_until_at -> Nullable<BigInt>,
        published_at -> Nullable<BigInt>,
        acknowledged_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    http_writes (api_key_id, idempotency_key) {
        api_key_id -> Binary,
        idempotency_key -> Text,
        request -> Binary,
        answer -> Binary,
        at -> BigInt,
    }
}

diesel::table! {
    import_runs (id) {
        id -> Binary,
        kind -> Text,
        actor -> Text,
        amend -> Bool,
        rows_read -> BigInt,
        created -> BigInt,
        amended -> BigInt,
        unchanged -> BigInt,
        digest -> Binary,
        at -> BigInt,
    }
}

diesel::table! {
    imported_usage (system, reference) {
        system -> Text,
        reference -> Text,
        entitlement_id -> Binary,
        device_id -> Nullable<Text>,
        since_at -> Nullable<BigInt>,
        until_at -> Nullable<BigInt>,
        uses -> BigInt,
        total -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    legacy_rights (system, reference) {
        system -> Text,
        reference -> Text,
        kind -> SmallInt,
        product -> Text,
        host -> Nullable<Text>,
        units -> BigInt,
        entitlement_id -> Binary,
        device_id -> Nullable<Text>,
        created_at -> BigInt,
        surrendered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    license_models (id) {
        id -> Binary,
        code -> Text,
        kind -> SmallInt,
        rules -> Text,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    order_lines (id) {
        id -> Binary,
        order_id -> Binary,
        line -> Text,
        sku_id -> Binary,
        quantity -> BigInt,
        value_e4 -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        purpose -> SmallInt,
        starts_at -> Nullable<BigInt>,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
        maintains -> Nullable<Text>,
    }
}

diesel::table! {
    orders (id) {
        id -> Binary,
        system -> Text,
        reference -> Text,
        revision -> BigInt,
        ordered_at -> BigInt,
        sold_to_id -> Binary,
        ship_to_id -> Nullable<Binary>,
        end_user_id -> Binary,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
        payment_hold -> Bool,
    }
}

diesel::table! {
    parties (id) {
        id -> Binary,
        kind -> SmallInt,
        name -> Text,
        tier -> Nullable<Text>,
        time_zone -> Text,
        parent_id -> Nullable<Binary>,
        merged_into_id -> Nullable<Binary>,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    party_external_ids (system, external_id) {
        system -> Text,
        external_id -> Text,
        party_id -> Binary,
    }
}

diesel::table! {
    policy_overrides (id) {
        id -> Binary,
        product_id -> Nullable<Binary>,
        entitlement_id -> Nullable<Binary>,
        reference -> Text,
        policy -> Text,
        state -> SmallInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    policy_versions (id) {
        id -> Binary,
        tier -> Text,
        version -> BigInt,
        rules -> Text,
        state -> SmallInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    product_features (product_id, feature_id) {
        product_id -> Binary,
        feature_id -> Binary,
        version_ceiling -> Nullable<Text>,
        use_count -> Nullable<BigInt>,
        vendor_data -> Nullable<Binary>,
    }
}

diesel::table! {
    product_lines (id) {
        id -> Binary,
        name -> Text,
        id_prefix -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    product_requirements (product_id, requires_id) {
        product_id -> Binary,
        requires_id -> Binary,
    }
}

diesel::table! {
    products (id) {
        id -> Binary,
        code -> Text,
        title -> Text,
        product_line_id -> Nullable<Binary>,
        replaces_id -> Nullable<Binary>,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    quota_uses (id) {
        id -> Binary,
        kind -> SmallInt,
        entitlement_id -> Binary,
        owner_id -> Nullable<Binary>,
        device_id -> Text,
        units -> BigInt,
        leave -> SmallInt,
        used_at -> BigInt,
        scope -> Nullable<SmallInt>,
        allowance -> Nullable<BigInt>,
        counted_from -> Nullable<BigInt>,
    }
}

diesel::table! {
    raised_ceilings (entitlement_id) {
        entitlement_id -> Binary,
        actor -> Text,
        after_device -> Text,
    }
}

diesel::table! {
    refreshes (device_id) {
        device_id -> Text,
        actor -> Text,
        due_at -> BigInt,
        anew -> Bool,
    }
}

diesel::table! {
    regrants (device_id, entitlement_id) {
        device_id -> Text,
        entitlement_id -> Binary,
        tries -> BigInt,
        due_at -> Nullable<BigInt>,
        rule -> Nullable<SmallInt>,
    }
}

diesel::table! {
    runs (id) {
        id -> Binary,
        station_id -> Binary,
        device_id -> Text,
        attempt -> BigInt,
        operator -> Nullable<Text>,
        state -> SmallInt,
        opened_at -> BigInt,
        closed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    shipment_serials (shipment_id, device_id) {
        shipment_id -> Binary,
        serial -> Text,
        device_id -> Text,
    }
}

diesel::table! {
    shipments (id) {
        id -> Binary,
        system -> Text,
        reference -> Text,
        order_line_id -> Binary,
        quantity -> BigInt,
        shipped_at -> BigInt,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    sku_contents (sku_id, product_id, license_model_id) {
        sku_id -> Binary,
        product_id -> Binary,
        license_model_id -> Binary,
        term -> Nullable<Text>,
        start_basis -> SmallInt,
        units_per_copy -> BigInt,
    }
}

diesel::table! {
    skus (id) {
        id -> Binary,
        part_number -> Text,
        title -> Text,
        state -> SmallInt,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    stations (id) {
        id -> Binary,
        name -> Text,
        manufacturer_id -> Nullable<Binary>,
        time_limit_seconds -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    webhook_deliveries (webhook_id, position) {
        webhook_id -> Binary,
        position -> BigInt,
        stream -> Text,
        at -> BigInt,
        state -> SmallInt,
        attempts -> BigInt,
        next_at -> BigInt,
        status -> Nullable<SmallInt>,
        problem -> Nullable<Text>,
        settled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhook_inbox (position) {
        position -> BigInt,
    }
}

diesel::table! {
    webhook_kinds (webhook_id, kind) {
        webhook_id -> Binary,
        kind -> SmallInt,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Binary,
        name -> Text,
        url -> Text,
        party_id -> Nullable<Binary>,
        product_line_id -> Nullable<Binary>,
        secret -> Binary,
        former_secret -> Nullable<Binary>,
        former_until -> Nullable<BigInt>,
        state -> SmallInt,
        because -> Nullable<SmallInt>,
        failures -> BigInt,
        failing_since -> Nullable<BigInt>,
        not_before -> Nullable<BigInt>,
        stopped_at -> Nullable<BigInt>,
        replay_since -> Nullable<BigInt>,
        replay_after -> Nullable<BigInt>,
        replay_to -> Nullable<BigInt>,
        created_at -> BigInt,
        changed_at -> BigInt,
        forgotten_from -> Nullable<BigInt>,
        forgotten_to -> Nullable<BigInt>,
        replay_skips_before -> Nullable<BigInt>,
    }
}

diesel::joinable!(activation_codes -> entitlements (entitlement_id));
diesel::joinable!(activation_codes -> parties (partner_id));
diesel::joinable!(activations -> activation_codes (code_id));
diesel::joinable!(activations -> devices (device_id));
diesel::joinable!(activations -> entitlements (entitlement_id));
diesel::joinable!(api_keys -> parties (party_id));
diesel::joinable!(api_keys -> product_lines (product_line_id));
diesel::joinable!(campaign_activations -> activations (activation_id));
diesel::joinable!(campaign_devices -> campaigns (campaign_id));
diesel::joinable!(campaign_devices -> devices (device_id));
diesel::joinable!(campaign_waves -> campaigns (campaign_id));
diesel::joinable!(cases -> devices (device_id));
diesel::joinable!(contracts -> parties (party_id));
diesel::joinable!(conversations -> devices (device_id));
diesel::joinable!(credentials -> devices (device_id));
diesel::joinable!(devices -> factory_batches (batch_id));
diesel::joinable!(devices -> order_lines (order_line_id));
diesel::joinable!(devices -> parties (owner_id));
diesel::joinable!(devices -> product_lines (product_line_id));
diesel::joinable!(entitlement_looks -> entitlements (entitlement_id));
diesel::joinable!(entitlement_renewals -> entitlements (entitlement_id));
diesel::joinable!(entitlement_usage -> entitlements (entitlement_id));
diesel::joinable!(entitlements -> license_models (license_model_id));
diesel::joinable!(entitlements -> order_lines (order_line_id));
diesel::joinable!(entitlements -> parties (owner_id));
diesel::joinable!(entitlements -> products (product_id));
diesel::joinable!(factory_batches -> parties (manufacturer_id));
diesel::joinable!(grant_sets -> devices (device_id));
diesel::joinable!(imported_usage -> devices (device_id));
diesel::joinable!(imported_usage -> entitlements (entitlement_id));
diesel::joinable!(legacy_rights -> devices (device_id));
diesel::joinable!(legacy_rights -> entitlements (entitlement_id));
diesel::joinable!(order_lines -> orders (order_id));
diesel::joinable!(order_lines -> skus (sku_id));
diesel::joinable!(party_external_ids -> parties (party_id));
diesel::joinable!(policy_overrides -> entitlements (entitlement_id));
diesel::joinable!(policy_overrides -> products (product_id));
diesel::joinable!(product_features -> features (feature_id));
diesel::joinable!(product_features -> products (product_id));
diesel::joinable!(products -> product_lines (product_line_id));
diesel::joinable!(quota_uses -> devices (device_id));
diesel::joinable!(quota_uses -> entitlements (entitlement_id));
diesel::joinable!(quota_uses -> parties (owner_id));
diesel::joinable!(raised_ceilings -> entitlements (entitlement_id));
diesel::joinable!(refreshes -> devices (device_id));
diesel::joinable!(regrants -> devices (device_id));
diesel::joinable!(regrants -> entitlements (entitlement_id));
diesel::joinable!(runs -> devices (device_id));
diesel::joinable!(runs -> stations (station_id));
diesel::joinable!(shipment_serials -> devices (device_id));
diesel::joinable!(shipment_serials -> shipments (shipment_id));
diesel::joinable!(shipments -> order_lines (order_line_id));
diesel::joinable!(sku_contents -> license_models (license_model_id));
diesel::joinable!(sku_contents -> products (product_id));
diesel::joinable!(sku_contents -> skus (sku_id));
diesel::joinable!(stations -> parties (manufacturer_id));
diesel::joinable!(webhook_deliveries -> webhooks (webhook_id));
diesel::joinable!(webhook_kinds -> webhooks (webhook_id));
diesel::joinable!(webhooks -> parties (party_id));
diesel::joinable!(webhooks -> product_lines (product_line_id));

diesel::allow_tables_to_appear_in_same_query!(
    activation_codes,
    activations,
    api_keys,
    campaign_activations,
    campaign_devices,
    campaign_waves,
    campaigns,
    cases,
    catalogue_stamps,
    contracts,
    conversations,
    credentials,
    devices,
    entitlement_links,
    entitlement_looks,
    entitlement_renewals,
    entitlement_usage,
    entitlements,
    events,
    factory_batches,
    features,
    grant_sets,
    http_writes,
    import_runs,
    imported_usage,
    legacy_rights,
    license_models,
    order_lines,
    orders,
    parties,
    party_external_ids,
    policy_overrides,
    policy_versions,
    product_features,
    product_lines,
    product_requirements,
    products,
    quota_uses,
    raised_ceilings,
    refreshes,
    regrants,
    runs,
    shipment_serials,
    shipments,
    sku_contents,
    skus,
    stations,
    webhook_deliveries,
    webhook_inbox,
    webhook_kinds,
    webhooks,
);
