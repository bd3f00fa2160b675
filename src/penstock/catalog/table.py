"""The known providers. Facts are from each vendor's documentation and from recorded replies, late 2026."""

from __future__ import annotations

from typing import Final

from penstock.catalog.vendor import SchemaMode, Setting, Vendor

__all__ = ["VENDORS"]

_DAY_S: Final = 86400.0
_OLD_NAME: Final = (("max_completion_tokens", "max_tokens"),)
# platform.openai.com/docs/guides/structured-outputs: schemas from gpt-4o-2024-08-06 on, JSON mode from late 2023 on.
_OPENAI_SCHEMAS: Final[tuple[tuple[str, SchemaMode], ...]] = (
    (r"o1-(?:mini|preview)|gpt-4(?:-32k)?(?:-0\d{3})?$", "prompt"),
    (r"gpt-3\.?5|gpt-4-|gpt-4o-2024-05-13|chatgpt-4o", "object"),
)

VENDORS: Final[tuple[Vendor, ...]] = (
    Vendor(
        name="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        other_wires=("responses",),
        cache_marks=False,
        key_env=("OPENAI_API_KEY",),
        base_url_env=("OPENAI_BASE_URL",),
        # Reasoning models answer 400 unsupported_parameter to max_tokens; the others take both names.
        reasoning_renames=(("max_tokens", "max_completion_tokens"),),
        schema_modes=_OPENAI_SCHEMAS,
        takes_back=(),
        limits="openai",
        charges_max_tokens=True,
        embedding_inputs=(("", 2048),),
        embedding_tokens=300_000,
    ),
    Vendor(
        name="anthropic",
        title="Anthropic",
        base_url="https://api.anthropic.com",
        key_env=("ANTHROPIC_API_KEY",),
        base_url_env=("ANTHROPIC_BASE_URL",),
        wire="anthropic",
        models_path="/v1/models",
        request_id="request-id",
    ),
    Vendor(
        name="gemini",
        title="Google Gemini API",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        wire="gemini",
        limits="none",
        embedding_inputs=(("", 100),),
        # Seen since July 2026: gemini-3.6-flash and gemini-3.5-flash-lite refuse contents that end with the model's
        # turn, so the aliases that move (-latest) may. Older ones continue it, those that think after thinking anew.
        prefill="plain",
        prefill_models=r"gemini-2\.(?:0-|5-flash-lite)",
    ),
    Vendor(
        name="vertex",
        title="Google Vertex AI",
        base_url="https://aiplatform.googleapis.com",
        settings=(
            Setting("project", ("GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT", "GCLOUD_PROJECT"), unless_key=True),
            Setting("location", ("GOOGLE_CLOUD_LOCATION", "VERTEXAI_LOCATION", "GOOGLE_CLOUD_REGION"), "us-central1"),
        ),
        own_hosts=(".googleapis.com",),
        ambient="google",
        key_env=("VERTEX_API_KEY",),
        wire="vertex",
        models_path="",
        limits="none",
        embedding_inputs=((r"(?:google/)?gemini-embedding", 1), ("", 250)),
        embedding_tokens=20_000,
    ),
    Vendor(
        name="bedrock",
        title="Amazon Bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        settings=(Setting("region", ("AWS_REGION", "AWS_DEFAULT_REGION")),),
        own_hosts=(".amazonaws.com", ".amazonaws.com.cn", ".api.aws"),
        ambient="aws",
        key_env=("BEDROCK_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"),
        base_url_env=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
        wire="bedrock",
        models_path="",
        limits="none",
        request_id="x-amzn-requestid",
        charges_max_tokens=True,
        embedding_inputs=((r"(?:.*[./])?cohere\.embed", 96), ("", 1)),
    ),
    Vendor(
        name="azure",
        title="Azure OpenAI",
        other_wires=("responses",),
        settings=(
            Setting(
                "api_version", ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION", "AZURE_API_VERSION"), "2024-10-21"
            ),
        ),
        own_hosts=(".azure.com", ".azure.us", ".azure.cn"),
        ambient="entra",
        cache_marks=False,
        key_env=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        base_url_env=("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"),
        wire="azure",
        models_path="/openai/models",
        deployments="/openai/deployments/{model}",
        # A deployment is most often called after its model.
        reasoning_renames=(("max_tokens", "max_completion_tokens"),),
        # learn.microsoft.com, structured outputs: no pattern, format, minimum, maxLength, minItems and their like.
        schema_modes=(*_OPENAI_SCHEMAS, ("", "bare")),
        takes_back=(),
        limits="openai",
        request_id="apim-request-id",
        charges_max_tokens=True,
        embedding_inputs=(("", 2048),),
        embedding_tokens=300_000,
    ),
    Vendor(
        name="together",
        title="Together AI",
        base_url="https://api.together.xyz/v1",
        cache_marks=False,
        key_env=("TOGETHER_API_KEY",),
        renames=_OLD_NAME,
        limits="together",
        requests_window_s=1.0,
    ),
    Vendor(
        name="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        other_wires=("responses",),
        cache_marks=False,
        key_env=("GROQ_API_KEY",),
        takes_back=(),
        # console.groq.com/docs/openai: 400 for names of messages.
        leaves_out=("messages.name",),
        limits="openai",
        requests_window_s=_DAY_S,
        charges_max_tokens=True,
        # console.groq.com/docs/structured-outputs: strict schemas for gpt-oss, others for a few, JSON mode for all.
        schema_modes=(
            (r"openai/gpt-oss", "schema"),
            (r"moonshotai/kimi|meta-llama/llama-4", "loose"),
            ("", "object"),
        ),
        # console.groq.com/docs/prefilling
        prefill="plain",
    ),
    Vendor(
        name="mistral",
        title="Mistral AI",
        base_url="https://api.mistral.ai/v1",
        cache_marks=False,
        key_env=("MISTRAL_API_KEY",),
        # Unknown parameters are refused with 422; usage comes unasked in the last chunk.
        stream_usage=False,
        renames=(*_OLD_NAME, ("seed", "random_seed"), ("dimensions", "output_dimension")),
        leaves_out=(
            *("user", "store", "service_tier", "verbosity", "safety_identifier"),
            *("prompt_cache_key", "prompt_cache_retention"),
        ),
        contents="chunks",
        limits="mistral",
        # docs.mistral.ai: 16,384 tokens in all.
        embedding_tokens=16_000,
        request_id="mistral-correlation-id",
        # docs.mistral.ai: `prefix`; the answer says the prefix again. Refused with 400 beside tools.
        prefill="prefix",
    ),
    Vendor(
        name="cohere",
        title="Cohere",
        base_url="https://api.cohere.com",
        key_env=("COHERE_API_KEY", "CO_API_KEY"),
        base_url_env=("CO_API_URL",),
        wire="cohere",
        models_path="/v1/models",
        limits="none",
        request_id="x-debug-trace-id",
        embedding_inputs=(("", 96),),
    ),
    Vendor(
        name="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        other_wires=("responses",),
        request_id="x-ds-trace-id",
        cache_marks=False,
        key_env=("DEEPSEEK_API_KEY",),
        renames=_OLD_NAME,
        limits="none",
        # api-docs.deepseek.com/guides/json_mode
        schema_modes=(("", "object"),),
        # api-docs.deepseek.com/guides/chat_prefix_completion
        prefill="prefix",
        prefill_base_url="https://api.deepseek.com/beta",
    ),
    Vendor(
        name="xai",
        title="xAI",
        base_url="https://api.x.ai/v1",
        other_wires=("responses",),
        cache_marks=False,
        key_env=("XAI_API_KEY",),
        reasoning_outside=True,
        limits="openai",
    ),
    Vendor(
        name="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        other_wires=("responses",),
        request_id="x-generation-id",
        key_env=("OPENROUTER_API_KEY",),
        limits="openrouter",
        # Passed on as it is: only these continue it natively, and the newest of them refuse with 400.
        prefill="plain",
        prefill_models=r"anthropic/claude-|mistralai/",
    ),
    Vendor(
        name="fireworks",
        title="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        other_wires=("responses",),
        cache_marks=False,
        key_env=("FIREWORKS_API_KEY",),
        renames=_OLD_NAME,
        takes_back=("reasoning_content",),
        limits="fireworks",
    ),
    Vendor(
        name="cerebras",
        title="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        cache_marks=False,
        key_env=("CEREBRAS_API_KEY",),
        takes_back=(),
        limits="cerebras",
        requests_window_s=_DAY_S,
        charges_max_tokens=True,
    ),
    Vendor(
        name="perplexity",
        title="Perplexity",
        base_url="https://api.perplexity.ai",
        cache_marks=False,
        key_env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        stream_usage=False,
        renames=_OLD_NAME,
        takes_back=(),
        limits="any",
    ),
    Vendor(
        name="huggingface",
        title="Hugging Face router",
        base_url="https://router.huggingface.co/v1",
        other_wires=("responses",),
        key_env=("HUGGINGFACE_API_KEY", "HF_TOKEN"),
        renames=_OLD_NAME,
        limits="any",
    ),
    Vendor(
        name="ollama",
        title="Ollama",
        base_url="http://localhost:11434/v1",
        other_wires=("openai", "responses"),
        key_env=("OLLAMA_API_KEY",),
        # An address of the user's that ends in /v1 is spoken to as OpenAI is; its own wire lies beside that.
        wire="ollama",
        needs_key=False,
        renames=_OLD_NAME,
        limits="none",
        is_self_hosted=True,
        # Its templates leave the last message open.
        prefill="plain",
    ),
    Vendor(
        name="vllm",
        title="vLLM",
        base_url="http://localhost:8000/v1",
        other_wires=("responses",),
        key_env=("VLLM_API_KEY",),
        base_url_env=("VLLM_BASE_URL",),
        needs_key=False,
        limits="none",
        is_self_hosted=True,
        prefill="continue_final_message",
    ),
    Vendor(
        name="llamacpp",
        title="llama.cpp server",
        base_url="http://localhost:8080/v1",
        other_wires=("responses",),
        key_env=("LLAMACPP_API_KEY",),
        base_url_env=("LLAMACPP_BASE_URL",),
        needs_key=False,
        limits="none",
        is_self_hosted=True,
        # Continued unasked unless the server was told not to; asked so, in every case since 2026.
        prefill="continue_final_message",
    ),
    Vendor(name="custom", title="any OpenAI-compatible server", needs_key=False),
    Vendor(name="sim", title="the built-in simulator", needs_key=False, limits="openai", prefill="plain"),
)
