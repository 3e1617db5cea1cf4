-- Licence models as a maker has them: a row is its rules, and what was sold keeps those it was sold
-- under. docs/imports.md says what each rule decides.

UPDATE license_models SET rules = '{"version":1,"grace_seconds":0,"returns_credit":true,"rehost":true,"trial":"no","at_end":"hard","metered":false,"counted":false,"uses_overdraft_percent":0,"term":"none","start_basis":"first-activation","renewal":"no"}'
    WHERE id = '\x00000000000070008000000000000001';
UPDATE license_models SET rules = '{"version":1,"grace_seconds":1209600,"returns_credit":true,"rehost":true,"trial":"no","at_end":"hard","metered":false,"counted":false,"uses_overdraft_percent":0,"term":"given","start_basis":"first-activation","renewal":"end"}'
    WHERE id = '\x00000000000070008000000000000002';

INSERT INTO license_models (id, code, kind, rules, state, created_at, changed_at) VALUES
    ('\x00000000000070008000000000000003', 'evaluation', 3, '{"version":1,"grace_seconds":0,"returns_credit":false,"rehost":false,"trial":"once","at_end":"hard","metered":false,"counted":false,"uses_overdraft_percent":0,"term":"P30D","start_basis":"each-activation","renewal":"no"}', 2, 0, 0),
    ('\x00000000000070008000000000000004', 'temporary', 4, '{"version":1,"grace_seconds":0,"returns_credit":false,"rehost":false,"trial":"no","at_end":"hard","metered":false,"counted":false,"uses_overdraft_percent":0,"term":"P14D","start_basis":"each-activation","renewal":"no"}', 2, 0, 0),
    ('\x00000000000070008000000000000005', 'metered', 5, '{"version":1,"grace_seconds":0,"returns_credit":true,"rehost":true,"trial":"no","at_end":"hard","metered":true,"counted":false,"uses_overdraft_percent":0,"term":"either","start_basis":"first-activation","renewal":"end"}', 2, 0, 0),
    ('\x00000000000070008000000000000006', 'counted', 6, '{"version":1,"grace_seconds":0,"returns_credit":false,"rehost":false,"trial":"no","at_end":"hard","metered":true,"counted":true,"uses_overdraft_percent":0,"term":"either","start_basis":"first-activation","renewal":"end"}', 2, 0, 0),
    ('\x00000000000070008000000000000007', 'maintenance', 7, '{"version":1,"grace_seconds":0,"returns_credit":true,"rehost":true,"trial":"no","at_end":"hard","metered":false,"counted":false,"uses_overdraft_percent":0,"term":"given","start_basis":"first-activation","renewal":"end"}', 2, 0, 0);
