"""Every option of `vllm serve` 0.32.0, as its parser lists them (probes/engine_options.py), with its risk."""

from __future__ import annotations

from orchestrator.backends.options.table import OptionTable, Risk, names, only, owned, refused, safe, together

_SAFE = (
    *names(
        """
        aggregate-engine-logging all2all-backend allow-deprecated-quantization allowed-media-domains
        anthropic-disabled-thinking-effort api-server-count async-scheduling attention-backend block-size
        cohere-format cohere-is-reasoning-model convert cp-kv-cache-interleave-size
        cpu-distributed-timeout-seconds cpu-offload-gb cpu-offload-params cudagraph-capture-sizes
        cudagraph-metrics data-parallel-size data-parallel-size-local dbo-decode-token-threshold
        dbo-prefill-token-threshold dcp-comm-backend dcp-kv-cache-interleave-size dcp-q-replicate
        decode-context-parallel-size device-ids disable-access-log-for-endpoints disable-cascade-attn
        disable-chunked-mm-input disable-custom-all-reduce disable-fastapi-docs
        disable-hybrid-kv-cache-manager disable-log-stats disable-nccl-for-dp-synchronization
        disable-sliding-window disable-uvicorn-access-log distributed-timeout-seconds
        dp-supervisor-probe-failure-threshold dp-supervisor-probe-interval-s dp-supervisor-probe-timeout-s
        dp-sync-interval enable-auto-tool-choice enable-batch-sharded-sampling enable-chunked-prefill
        enable-cumem-allocator enable-dbo enable-ep-weight-filter enable-eplb enable-expert-parallel
        enable-flash-late-interaction enable-flashinfer-autotune enable-force-include-usage enable-hc-sp
        enable-layerwise-nvtx-tracing enable-log-deltas enable-log-outputs enable-log-requests
        enable-logging-iteration-details enable-lora enable-mamba-cache-stochastic-rounding
        enable-mamba-shared-prefix-checkpoint enable-mfu-metrics enable-mixed-moe-lora-format
        enable-moe-shared-loras enable-nccl-comm-suspend enable-offline-docs enable-per-request-metrics
        enable-prefix-caching enable-prompt-tokens-details enable-request-id-headers
        enable-return-routed-experts enable-server-load-tracking enable-shm-tensor-arena enable-ssl-refresh
        enable-tower-connector-lora enforce-eager exclude-tools-when-tool-choice-none
        expert-placement-strategy fail-on-environ-validation fingerprint-mode fingerprint-value
        fully-sharded-loras gdn-prefill-backend gpu-memory-utilization h11-max-header-count
        h11-max-incomplete-event-size ignore-patterns interleave-mm-strings jit-monitor-mode
        jit-monitor-verbose kda-decode-backend kda-prefill-backend kv-cache-dtype kv-cache-dtype-skip-layers
        kv-cache-memory-bytes kv-cache-metrics kv-cache-metrics-sample kv-offloading-size
        kv-sharing-fast-prefill language-model-only linear-backend log-error-stack log-level logprobs-mode
        long-prefill-token-threshold long-prefill-token-threshold-adaptive lora-dtype lora-target-modules
        mamba-backend mamba-block-size mamba-cache-dtype mamba-cache-mode mamba-cache-philox-rounds
        mamba-ssm-cache-dtype mamba-ssu-algorithm max-cpu-loras max-cudagraph-capture-size max-log-len
        max-logprobs max-lora-cls-labels max-lora-rank max-loras max-num-active-seqs max-num-batched-tokens
        max-num-queued-reqs max-num-queued-tokens max-num-scheduled-tokens max-num-seqs
        max-parallel-loading-workers mm-device-do-normalize mm-encoder-attn-backend mm-encoder-attn-dtype
        mm-encoder-fp8-scale-save-margin mm-encoder-only mm-encoder-tp-mode mm-hasher-algorithm
        mm-ipc-gpu-memory-gb mm-processor-cache-gb mm-processor-cache-type mm-processor-device
        mm-shm-cache-max-object-size-mb mm-tensor-ipc moe-backend num-gpu-blocks-override numa-bind
        numa-bind-cpus numa-bind-nodes offload-backend offload-group-size offload-num-in-group
        offload-params offload-prefetch-step optimization-level per-request-spec-decode-metrics
        performance-mode pipeline-parallel-size prefill-context-parallel-size prefill-schedule-interval
        prefix-cache-retention-interval prefix-caching-hash-algo prefix-match-unit pt-load-map-location
        quantization renderer-num-workers replayssm-buffer-len response-role return-sampling-mask
        return-tokens-as-token-ids root-path runner safetensors-load-strategy
        safetensors-prefetch-block-size safetensors-prefetch-num-threads scheduler-reserve-full-isl
        scheduling-policy seed show-hidden-metrics-for-version shutdown-timeout skip-mm-profiling
        sleep-mode-offload-cudagraph sleep-preserve-parameter-names sparse-indexer-topk-backend spec-tokens
        specialize-active-lora sse-keep-alive-interval ssl-cert-reqs ssl-ciphers stream-interval
        swa-bounded-replay tensor-parallel-size tool-call-parser tool-strict-level ubatch-size
        use-fp64-gumbel use-replayssm use-tqdm-on-load uvicorn-log-level video-pruning-method
        video-pruning-rate watermark
        """
    ),
    *names(
        """
        backend disable_flashinfer_q_quantization flash_attn_max_num_splits_for_cuda_graph
        flash_attn_version flex_attn_block_m flex_attn_block_n flex_attn_kv_block_size
        flex_attn_q_block_size indexer_kv_dtype indexer_sparse_logits minimax_m3_msa_decode_backend
        mla_prefill_backend sparse_mla_force_mqa sparse_mla_prefill_workspace_factor
        tokenspeed_mla_min_split_kv tq_max_kv_splits_for_cuda_graph use_non_causal
        use_prefill_query_quantization use_trtllm_attention
        """,
        inside="attention-config",
    ),
    *names("device_buffer_size eager_host_mirror", inside="attention-config.hisparse_config"),
    *names("enable_return_routed_experts max_bytes", inside="aux-output-config"),
    *names(
        """
        compile_cache_save_format compile_mm_encoder compile_ranges_endpoints compile_sizes
        cudagraph_capture_sizes cudagraph_copy_inputs cudagraph_decoder_replay cudagraph_mm_encoder
        cudagraph_mode cudagraph_num_of_warmups cudagraph_specialize_lora custom_ops
        decoder_replay_cudagraph_capture_sizes decoder_replay_trim_threshold
        encoder_cudagraph_max_frames_per_batch encoder_cudagraph_max_vision_items_per_batch
        encoder_cudagraph_token_budgets fast_moe_cold_start ir_enable_torch_wrap max_cudagraph_capture_size
        mode splitting_ops use_inductor_graph_partition
        """,
        inside="compilation-config",
    ),
    *names("assume_32_bit_indexing evaluate_guards type", inside="compilation-config.dynamic_shapes_config"),
    *names(
        """
        eliminate_noops enable_qk_norm_rope_fusion fi_allreduce_fusion_max_size_mb fuse_act_padding
        fuse_act_quant fuse_allreduce_rms fuse_attn_quant fuse_mla_dual_rms_norm fuse_norm_quant
        fuse_qk_norm_rope_kvcache fuse_rope_kvcache fuse_rope_kvcache_cat_mla
        rope_kvcache_fusion_max_token_num
        """,
        inside="compilation-config.pass_config",
    ),
    *names("canvas_length max_denoising_steps", inside="diffusion-config"),
    *names("cpu_offload dp_shared_memory embedding_across_dp use_thp", inside="engram-config"),
    *names(
        """
        enable_migration_batching log_balancedness log_balancedness_interval num_redundant_experts policy
        step_interval use_async window_size
        """,
        inside="eplb-config",
    ),
    *names("fused_add_rms_norm gelu_and_mul_sparse rms_norm", inside="ir-op-priority"),
    *names(
        """
        enable_cutedsl_warmup enable_flashinfer_autotune enable_jit_warmup
        enable_rocm_segmented_attn_autotune linear_backend moe_backend sparse_indexer_topk_backend
        """,
        inside="kernel-config",
    ),
    *names("fused_add_rms_norm gelu_and_mul_sparse rms_norm", inside="kernel-config.ir_op_priority"),
    *names("configure_logging formatter log_level", inside="logging-config"),
    *names(
        """
        dimensions enable_chunked_processing enable_flash_late_interaction logit_mean logit_sigma
        max_embed_len pooling_type returned_token_ids seq_pooling_type step_tag_id task tok_pooling_type
        use_activation
        """,
        inside="pooler-config",
    ),
    *names("ignore", inside="quantization-config"),
    *names("activation weight", inside="quantization-config.linear"),
    *names("activation weight", inside="quantization-config.moe"),
    *names("reasoning_end_str reasoning_start_str", inside="reasoning-config"),
    *names(
        """
        attention_backend disable_eagle_block_drop disable_padded_drafter_batch draft_sample_method
        draft_tensor_parallel_size dspark_draft_topk enable_adaptive_verification enforce_eager
        index_share_for_mtp_iteration kv_cache_dtype max_model_len moe_backend num_speculative_tokens
        num_speculative_tokens_per_batch_size parallel_drafting prompt_lookup_max prompt_lookup_min
        quantization rejection_sample_method suffix_decoding_max_cached_requests
        suffix_decoding_max_spec_factor suffix_decoding_max_tree_depth suffix_decoding_min_token_prob
        synthetic_acceptance_length synthetic_acceptance_rates tensor_parallel_size use_heterogeneous_vocab
        use_local_argmax_reduction
        """,
        inside="speculative-config",
    ),
    *names(
        """
        device ignore_patterns pt_load_map_location safetensors_load_strategy
        safetensors_prefetch_block_size safetensors_prefetch_num_threads use_tqdm_on_load
        """,
        inside="speculative-config.draft_load_config",
    ),
    *names(
        """
        backend disable_additional_properties disable_any_whitespace enable_in_reasoning
        """,
        inside="structured-outputs-config",
    ),
    *names(
        """
        algorithm allow_target_only_watermarking alpha context_width deduplicate_contexts
        deduplicate_contexts_max_history prf
        """,
        inside="watermark-config",
    ),
    *names("backend_per_kind.*", inside="attention-config"),
    *names("custom-histogram-buckets.* limit-mm-per-prompt.* limit-mm-per-prompt.*.*"),
    *names("linear_backend_per_quant.*", inside="kernel-config"),
    *names("targets.*", inside="quantization-config"),
)

# A class path, a plug-in or another machine would do for the rest.
_VALUES = {
    "config-format": "auto hf",
    "data-parallel-backend": "mp",
    "distributed-executor-backend": "mp uni",
    "eplb-config.communicator": "torch_nccl torch_gloo torch_xccl pynccl",
    "kv-offloading-backend": "native",
    "model-impl": "auto vllm transformers",
    "spec-method": "ngram suffix mtp",
    "speculative-config.method": "ngram suffix mtp",
}

# Another value than Conch's makes a run wrong, but opens nothing.
_OWNED_PLAIN = {
    "served-model-name": "serve.model",
    "max-model-len": "serve.max_model_len",
    "override-generation-config": "serve.sampling",
    "chat-template": "template",
    "chat-template-content-format": "template",
    "default-chat-template-kwargs": "template.thinking",
    "reasoning-parser": "serve.reasoning_parser",
    "reasoning-config.reasoning_parser": "serve.reasoning_parser",
    "structured-outputs-config.reasoning_parser": "serve.reasoning_parser",
    "dtype": "train.compute_type",
}
_OWNED = {
    "model": "model.base",
    "model-tag": "model.base",
    "tokenizer": "model.base",
    "tokenizer-mode": "model.base",
    "tokenizer-revision": "model.base",
    "skip-tokenizer-init": "model.base",
    "trust-remote-code": "model.base",
    "revision": "model.revision",
    "code-revision": "model.revision",
    "config": "serve",
    "headless": "serve",
    "help": "conch serve --help",
    "tokens-only": "serve",
    "host": "serve.host",
    "port": "serve.port",
    "generation-config": "serve.sampling",
    "trust-request-chat-template": "template",
    "reasoning-parser-plugin": "serve.reasoning_parser",
    "structured-outputs-config.reasoning_parser_plugin": "serve.reasoning_parser",
}

_PATHS = names(
    """
        compilation-config.cache_dir compilation-config.debug_dump_path
        default-mm-loras download-dir hf-config-path lora-modules mm-encoder-fp8-scale-path
        mm-encoder-fp8-scale-save-path spec-model speculative-config.code_revision
        speculative-config.draft_load_config.download_dir speculative-config.model
        speculative-config.revision ssl-ca-certs ssl-certfile ssl-keyfile
    """
)

_PROFILER = names(
    """
    active_iterations capture_torch_profiler delay_iterations detailed_trace_annotation ignore_frontend
    max_iterations profiler proton_backend proton_context proton_data proton_graph_attribution
    proton_hook proton_mode proton_output_format proton_profiler_dir torch_profiler_activities
    torch_profiler_dir torch_profiler_dump_cuda_time_total torch_profiler_record_shapes
    torch_profiler_use_gzip torch_profiler_with_flops torch_profiler_with_memory
    torch_profiler_with_stack wait_iterations warmup_iterations
    """,
    inside="profiler-config",
)

_CODE = names(
    """
        compilation-config.backend compilation-config.inductor_compile_config
        compilation-config.inductor_passes ec-manager-config.encoder_cache_manager_cls
        ec-manager-config.manager_config ec-transfer-config.ec_connector
        ec-transfer-config.ec_connector_extra_config ec-transfer-config.ec_connector_module_path
        io-processor-plugin kv-transfer-config.kv_connector kv-transfer-config.kv_connector_extra_config
        kv-transfer-config.kv_connector_module_path logits-processors media-io-kwargs middleware
        mm-processor-kwargs model-class-overrides model-loader-extra-config scheduler-cls
        speculative-config.draft_load_config.load_format
        speculative-config.draft_load_config.model_loader_extra_config speculative-config.draft_model_config
        speculative-config.draft_parallel_config speculative-config.target_model_config
        speculative-config.target_parallel_config tool-parser-plugin trust-request-mm-kwargs worker-cls
        worker-extension-cls
    """
)

_PORTS = (
    *names(
        """
        allow-credentials allowed-headers allowed-methods allowed-origins collect-detailed-traces
        data-parallel-address data-parallel-external-lb data-parallel-hybrid-lb
        data-parallel-multi-port-external-lb data-parallel-rank data-parallel-rpc-port
        data-parallel-start-rank data-parallel-supervisor-port elastic-ep-max-dp-size enable-elastic-ep
        enable-fault-tolerance enable-scale-out grpc grpc-port master-addr master-port nnodes node-rank
        otlp-traces-endpoint ray-workers-use-nsight
        """
    ),
    *names("ec_buffer_device ec_buffer_size ec_ip ec_port ec_role engine_id", inside="ec-transfer-config"),
    *names(
        "buffer_steps enable_kv_cache_events endpoint hwm max_queue_size publisher replay_endpoint topic",
        inside="kv-events-config",
    ),
    *names(
        "enable_permute_local_kv engine_id kv_buffer_device kv_load_failure_policy kv_port kv_role",
        inside="kv-transfer-config",
    ),
    *names("engine_recovery_timeout_sec", inside="fault-tolerance-config"),
    *names("backend", inside="weight-transfer-config"),
)

# vLLM's docs/usage/security.md, and its advisories.
OPTIONS = OptionTable(
    program="vLLM",
    versions={"vllm": "0.32.0"},
    on_command_line=True,
    options=together(
        safe(_SAFE),
        only(_VALUES),
        owned(_OWNED),
        owned(_OWNED_PLAIN, harmless=True),
        refused(Risk.PATH, _PATHS),
        refused(Risk.PATH, names("base_model_name is_3d_lora_weight name path", inside="lora-modules")),
        refused(Risk.PATH, names("allowed-local-media-path"), "requests could read this machine's files"),
        refused(Risk.PATH, _PROFILER, "requests could write files"),
        refused(Risk.CODE, _CODE),
        refused(
            Risk.CODE, names("additional-config hf-overrides"), "what may be in it is not known beforehand"
        ),
        refused(
            Risk.CODE,
            names("enable-mm-embeds enable-prompt-embeds"),
            "a request could load a pickle, or end the server (PYSEC-2026-2303)",
        ),
        refused(Risk.CODE, names("load-format"), "others than safetensors are pickles, which can run code"),
        refused(
            Risk.CODE,
            names("log-config-file logging-config.pylogging_config_file"),
            "the file that it names is a logging configuration, which can run any command",
        ),
        refused(Risk.CODE, names("tool-server"), "the model could run tools on this machine"),
        refused(Risk.PORT, _PORTS),
        refused(Risk.PORT, names("enable-sleep-mode"), "requests could put the server to sleep"),
        refused(
            Risk.PORT, names("enable-tokenizer-info-endpoint"), "it shows the chat template to everybody"
        ),
        refused(Risk.PORT, names("enable-trace-replay"), "requests could choose the model's answer"),
        refused(Risk.PORT, names("uds"), "it listens on a socket where Conch does not look"),
        refused(Risk.SECRET, names("api-key"), instead="set CONCH_API_KEY, or use `conch serve --key-file`"),
        refused(Risk.SECRET, names("hf-token"), instead="set HF_TOKEN; the server itself is offline"),
        refused(Risk.SECRET, names("key", inside="watermark-config")),
    ),
)
