//! The families of credentials and personal data that can be told from their bytes, and the rows
//! that find each; and those that cannot, with the reason.

use std::collections::BTreeSet;

use egret_scanners::Catalog;

#[test]
fn every_family_has_its_signatures() {
    let catalog = Catalog::builtin();
    for (family, ids) in FOUND {
        for id in ids.split(' ') {
            assert!(catalog.find(id).is_some(), "{family}: there is no `{id}`");
        }
    }
    assert!(FOUND.len() > 150, "{}", FOUND.len());
}

#[test]
fn no_family_is_listed_twice_or_without_a_reason() {
    let names = FOUND.iter().chain(NOT_FOUND).map(|(family, _)| family);
    let different: BTreeSet<_> = names.clone().collect();
    assert_eq!(different.len(), names.count());
    assert!(NOT_FOUND.iter().all(|(_, reason)| reason.len() > 20));
}

/// Family, and the signatures that find it.
const FOUND: &[(&str, &str)] = &[
    (
        "GitHub classic",
        "github-token github-server-token github-refresh-token",
    ),
    ("GitHub fine-grained", "github-fine-grained-token"),
    ("npm", "npm-token npm-legacy-token"),
    ("GitLab routable", "gitlab-routable-token"),
    (
        "GitLab others",
        "gitlab-personal-token gitlab-token gitlab-agent-token gitlab-job-token gitlab-runner-registration-token",
    ),
    ("Grafana service account", "grafana-service-token"),
    ("Grafana cloud, old key", "grafana-cloud-token grafana-key"),
    (
        "Atlassian, Bitbucket app",
        "atlassian-token bitbucket-app-password",
    ),
    (
        "Bitbucket DC, Jira PAT",
        "bitbucket-datacenter-token jira-datacenter-token",
    ),
    (
        "Azure identifiable keys",
        "azure-storage-key azure-cosmos-key azure-batch-key azure-functions-key azure-search-key azure-redis-key azure-messaging-key azure-container-registry-key azure-devops-token azure-common-key",
    ),
    ("Azure AD secret", "azure-ad-secret"),
    ("NuGet", "nuget-key"),
    ("JWT", "jwt"),
    ("JWE", "jwt"),
    ("PyPI, TestPyPI", "pypi-token testpypi-token"),
    (
        "AWS key id",
        "aws-access-key-id aws-legacy-access-key-id aws-secret-access-key",
    ),
    ("AWS Bedrock", "aws-bedrock-key aws-bedrock-short-key"),
    ("AWS session token", "aws-session-token"),
    ("OpenAI", "openai-key"),
    ("Anthropic", "anthropic-key"),
    ("age", "age-secret-key"),
    ("NATS nkey seed", "nats-nkey-seed"),
    (
        "1Password",
        "onepassword-service-token onepassword-secret-key",
    ),
    ("Sentry", "sentry-organisation-token sentry-user-token"),
    ("Discord", "discord-bot-token discord-webhook"),
    ("JFrog, Artifactory", "jfrog-reference-token jfrog-api-key"),
    ("Salesforce", "salesforce-session"),
    (
        "Supabase",
        "supabase-secret-key supabase-access-token supabase-publishable-key",
    ),
    ("Cloudsmith", "cloudsmith-key"),
    ("RunPod", "runpod-key"),
    ("Zuplo", "zuplo-key"),
    ("LangSmith", "langsmith-key"),
    ("Paddle", "paddle-key"),
    ("WIF", "bitcoin-wif"),
    ("xprv", "bip32-extended-private-key"),
    ("Ethereum key", "ethereum-private-key"),
    ("BIP-39", "bip39-mnemonic"),
    ("PEM, OpenSSH, PGP", "private-key"),
    ("PuTTY", "putty-private-key"),
    ("GCP service account", "gcp-service-account-key private-key"),
    ("Google API, Gemini", "google-api-key gemini-key"),
    (
        "Google OAuth",
        "google-oauth-token google-oauth-secret google-refresh-token google-oauth-legacy-secret",
    ),
    (
        "Slack",
        "slack-bot-token slack-user-token slack-legacy-token slack-cookie slack-refresh-token slack-app-token slack-webhook",
    ),
    ("Stripe", "stripe-key stripe-test-key stripe-webhook-secret"),
    ("Clerk", "stripe-key clerk-key"),
    ("Square", "square-access-token square-application-token"),
    ("PayPal, Braintree", "braintree-token"),
    ("Adyen", "adyen-key"),
    ("Razorpay", "razorpay-key"),
    ("Plaid", "plaid-token"),
    ("Flutterwave", "flutterwave-key"),
    ("GoCardless", "gocardless-token"),
    ("Mercury", "mercury-token"),
    ("Shopify", "shopify-token"),
    ("EasyPost", "easypost-key"),
    ("Shippo", "shippo-token"),
    ("Duffel", "duffel-token"),
    ("Twilio", "twilio-account-sid twilio-key twilio-auth-token"),
    ("SendGrid", "sendgrid-key"),
    ("Mailgun", "mailgun-key mailgun-domain-key"),
    ("Mailchimp", "mailchimp-key mandrill-key"),
    ("Mailersend", "mailersend-token"),
    ("Brevo", "brevo-key brevo-smtp-key"),
    ("Resend", "resend-key"),
    ("Postmark", "postmark-token"),
    ("Telegram", "telegram-bot-token telegram-bot-url"),
    (
        "Facebook",
        "facebook-token facebook-app-token facebook-app-secret",
    ),
    ("Twitter", "twitter-bearer-token"),
    ("Twitch", "twitch-secret"),
    ("LinkedIn", "linkedin-secret"),
    ("Pinterest", "pinterest-token"),
    ("HubSpot", "hubspot-token"),
    ("Intercom", "intercom-token"),
    ("Linear", "linear-key"),
    ("Notion", "notion-token notion-legacy-token"),
    ("Airtable", "airtable-token"),
    ("Asana", "asana-token"),
    ("Figma", "figma-token figma-legacy-token"),
    ("Postman", "postman-key"),
    ("ReadMe", "readme-key"),
    ("Typeform", "typeform-token"),
    ("DigitalOcean", "digitalocean-token"),
    ("Heroku", "heroku-key heroku-legacy-key"),
    ("Fly", "fly-token"),
    ("Render", "render-key"),
    ("Vercel", "vercel-token"),
    ("Netlify", "netlify-token netlify-legacy-token"),
    ("Railway", "railway-token"),
    (
        "Cloudflare",
        "cloudflare-origin-key cloudflare-token cloudflare-global-key",
    ),
    ("Fastly", "fastly-token"),
    ("Alibaba", "alibaba-access-key-id alibaba-secret"),
    ("Tencent", "tencent-secret-id"),
    ("Yandex", "yandex-api-key yandex-iam-token"),
    ("Scaleway", "scaleway-key"),
    ("OVH", "ovh-secret"),
    ("Exoscale", "exoscale-key"),
    ("Linode", "linode-token"),
    ("HashiCorp Vault", "vault-token vault-short-token"),
    ("Terraform", "terraform-cloud-token"),
    ("Doppler", "doppler-token doppler-service-token"),
    ("Pulumi", "pulumi-token"),
    ("Infracost", "infracost-key"),
    ("Databricks", "databricks-token"),
    ("Snowflake PAT", "snowflake-token"),
    ("PlanetScale", "planetscale-token"),
    ("Neon", "neon-key"),
    (
        "MongoDB Atlas",
        "mongodb-atlas-secret mongodb-atlas-private-key url-userinfo",
    ),
    ("Upstash", "upstash-token"),
    ("ClickHouse", "clickhouse-secret"),
    ("Elastic", "elastic-key"),
    ("Confluent", "confluent-secret"),
    ("DataStax", "datastax-token"),
    (
        "New Relic",
        "new-relic-user-key new-relic-insert-key new-relic-browser-key new-relic-licence-key",
    ),
    ("Datadog", "datadog-api-key datadog-application-key"),
    ("Dynatrace", "dynatrace-token"),
    ("Honeycomb", "honeycomb-key"),
    ("PostHog", "posthog-personal-key posthog-project-key"),
    ("Sourcegraph", "sourcegraph-token"),
    ("SonarQube", "sonarqube-token sonarqube-legacy-token"),
    ("Snyk", "snyk-token"),
    ("CircleCI", "circleci-token circleci-project-token"),
    ("Buildkite", "buildkite-token"),
    ("Travis", "travis-token"),
    (
        "Docker",
        "docker-token docker-swarm-token docker-swarm-unlock-key",
    ),
    ("RubyGems", "rubygems-key"),
    ("Rust registry", "crates-io-token"),
    ("Clojars", "clojars-token"),
    ("Prefect", "prefect-key"),
    ("Octopus", "octopus-deploy-key"),
    ("OpenShift", "openshift-token"),
    ("Kubernetes", "jwt kubernetes-bootstrap-token"),
    ("Tailscale", "tailscale-key"),
    ("ngrok", "ngrok-token"),
    (
        "Hugging Face",
        "huggingface-token huggingface-organisation-token",
    ),
    ("Groq", "groq-key"),
    ("xAI", "xai-key"),
    ("Perplexity", "perplexity-key"),
    ("Replicate", "replicate-token"),
    ("OpenRouter", "openrouter-key"),
    ("Together", "together-key"),
    ("NVIDIA", "nvidia-key"),
    ("Cerebras", "cerebras-key"),
    ("DeepSeek", "deepseek-key"),
    ("Mistral, Cohere", "mistral-key cohere-key"),
    ("ElevenLabs", "elevenlabs-key"),
    ("Pinecone", "pinecone-key"),
    ("LangFuse", "langfuse-key"),
    ("Weights & Biases", "wandb-key wandb-legacy-key"),
    ("Cursor", "cursor-key"),
    ("Devin", "devin-key"),
    ("Apify", "apify-token"),
    ("Brave", "brave-search-key"),
    ("Tavily", "tavily-key"),
    ("Okta", "okta-token"),
    ("Auth0", "auth0-secret"),
    ("WorkOS", "workos-key"),
    ("Polar", "polar-token"),
    ("Unkey", "unkey-key"),
    ("Canva", "canva-secret"),
    ("Ramp", "ramp-credential"),
    ("Lichess", "lichess-token"),
    ("Mapbox", "mapbox-secret-token mapbox-public-token"),
    ("MaxMind", "maxmind-key"),
    ("Teams webhook", "teams-webhook"),
    ("Generic: key and value", "generic-api-key generic-password"),
    ("Generic: URL userinfo", "url-userinfo"),
    (
        "Generic: Authorization",
        "basic-credentials generic-bearer-token",
    ),
    ("Card", "credit-card test-card"),
    ("IBAN", "iban iban-lower-case"),
    ("US SSN", "us-ssn us-ssn-spaced"),
    (
        "US ITIN, EIN, ABA, NPI, MBI, DEA",
        "us-itin us-ein us-bank-routing us-npi us-medicare us-dea",
    ),
    (
        "UK NHS, NINO, UTR, driving licence",
        "uk-nhs uk-nino uk-utr uk-driving-licence",
    ),
    ("CA SIN", "ca-sin"),
    (
        "AU TFN, ABN, ACN, Medicare",
        "au-tfn au-abn au-acn au-medicare",
    ),
    (
        "DE tax id, Rentenversicherung, Ausweis",
        "de-tax-id de-pension-insurance de-identity-document",
    ),
    ("AT, CH", "at-svnr ch-ahv"),
    ("FR NIR", "fr-nir"),
    ("ES NIF, NIE", "es-nif es-nie"),
    ("IT codice fiscale", "it-codice-fiscale"),
    ("PT NIF", "pt-nif"),
    ("NL BSN", "nl-bsn"),
    ("BE NRN", "be-national-number"),
    ("PL PESEL, NIP, REGON", "pl-pesel pl-nip pl-regon"),
    (
        "SE, FI, NO, DK",
        "se-personal-number fi-hetu no-birth-number dk-cpr",
    ),
    ("EE, LT", "ee-lt-personal-code"),
    ("CZ, SK", "cz-sk-birth-number"),
    (
        "RO, BG, HR, SI, GR, IE, TR",
        "ro-cnp bg-egn hr-oib si-emso gr-amka ie-pps tr-identity-number",
    ),
    ("IN Aadhaar, PAN, GSTIN", "in-aadhaar in-pan in-gstin"),
    (
        "CN, JP, KR, SG, TH",
        "cn-resident-id jp-my-number kr-rrn sg-nric th-citizen-number",
    ),
    (
        "ID, MY, PH, ZA, NG",
        "id-nik my-identity-card ph-tin za-identity-number ng-nin",
    ),
    (
        "BR, MX, AR, CL, CO",
        "br-cpf br-cnpj mx-curp mx-rfc ar-cuit cl-rut co-nit",
    ),
    ("Passport MRZ", "passport-mrz passport-number"),
    ("VIN, IMEI, ICCID", "vin imei iccid"),
    (
        "Phone",
        "phone-number phone-number-national phone-number-hyphens phone-number-bare",
    ),
    ("Email", "email-address"),
    (
        "IP, MAC",
        "public-ip-address public-ipv6-address mac-address",
    ),
    (
        "Crypto",
        "bitcoin-address bitcoin-segwit-address ethereum-address ethereum-address-lower",
    ),
    ("Bank", "swift-bic uk-sort-code us-bank-account"),
    ("Medical, dates of birth", "date-of-birth us-medicare"),
];

/// Family, and why nothing finds it.
const NOT_FOUND: &[(&str, &str)] = &[
    (
        "Generic: session cookies",
        "a session id is its site's own; `known_secrets` and the generic rows cover those that matter",
    ),
    (
        "Generic: curl -u",
        "the pair after `-u` has no form of its own; a URL's user info and a Basic header are found",
    ),
    (
        "URL, geographic position",
        "no personal data by itself; nothing tells the address of a person's page from any other",
    ),
    (
        "Names, addresses, organisations",
        "need a language model or dictionaries; not inline",
    ),
    (
        "Free-standing passport and licence numbers without a check",
        "only behind a telling word (`passport-number`); other countries' forms are any letters and digits",
    ),
    (
        "SWIFT account numbers outside IBAN and US",
        "no check and no form of their own",
    ),
];
