"""Every key that LLaMA-Factory 0.9.5 and its transformers read, with its risk (probes/engine_options)."""

from __future__ import annotations

from orchestrator.backends.options.table import OptionTable, Risk, names, only, owned, refused, safe, together

_SAFE = (
    *names(
        """
        adam_beta1 adam_beta2 adam_epsilon add_special_tokens add_tokens apollo_layerwise apollo_proj
        apollo_proj_type apollo_rank apollo_scale apollo_scale_front apollo_scale_type apollo_target
        apollo_update_interval asft_alpha audio_sampling_rate auto_find_batch_size
        average_tokens_across_devices badam_mask_mode badam_mode badam_start_block badam_switch_interval
        badam_switch_mode badam_update_ratio badam_verbose batch_eval_metrics bf16_full_eval buffer_size
        compute_accuracy create_new_adapter crop_to_patches data_seed data_shared_file_system
        dataloader_drop_last dataloader_num_workers dataloader_persistent_workers dataloader_pin_memory
        dataloader_prefetch_factor ddp_backend ddp_broadcast_buffers ddp_bucket_cap_mb
        ddp_find_unused_parameters ddp_timeout debug disable_shuffling disable_tqdm do_eval do_sample
        double_quantization eaft_alpha enable_torch_profiler eval_accumulation_steps eval_delay
        eval_do_concat_batches eval_num_beams eval_on_each_dataset eval_on_start eval_steps eval_strategy
        eval_use_gather_object fp16_full_eval fp8 fp8_backend fp8_enable_fsdp_float8_all_gather
        freeze_extra_modules freeze_language_model freeze_multi_modal_projector freeze_vision_tower fsdp
        full_determinism galore_layerwise galore_proj_type galore_rank galore_scale galore_target
        galore_update_interval generation_max_length generation_num_beams gradient_checkpointing
        greater_is_better ignore_data_skip ignore_pad_token_for_loss image_do_pan_and_scan image_max_pixels
        image_min_pixels include_effective_tokens_per_second include_for_metrics
        include_num_input_tokens_seen init_special_tokens interleave_probs kt_lora_expert_intermediate_size
        kt_lora_expert_num kt_use_lora_experts label_names label_smoothing_factor ld_alpha
        length_column_name length_penalty log_level log_level_replica log_on_each_node logging_first_step
        logging_nan_inf_filter logging_strategy loraplus_lr_embedding low_cpu_mem_usage max_length
        mix_strategy mixture_of_depths module_dropout moe_aux_loss_coef num_beams
        oft_block_size oft_rank oft_target optim optim_args optim_target_modules overwrite_cache
        per_device_eval_batch_size
        predict_with_generate prediction_loss_only preprocessing_batch_size preprocessing_num_workers
        print_param_status profile_modules profiler_active_steps profiler_profile_memory
        profiler_record_shapes profiler_repeat profiler_wait_steps profiler_warmup_steps profiler_with_stack
        project quantization_device_map quantization_method quantization_type ref_model_quantization_bit
        remove_unused_columns repetition_penalty resize_vocab restore_callback_states_from_checkpoint
        reward_model_quantization_bit rope_scaling run_name save_on_each_node save_only_model
        save_total_limit sglang_lora_backend sglang_maxlen sglang_mem_fraction sglang_tp_size shift_attn
        skip_memory_metrics skip_special_tokens sortish_sampler split_special_tokens tf32
        torch_compile torch_compile_mode torch_empty_cache_steps train_from_scratch train_on_prompt
        train_sampling_strategy upcast_layernorm upcast_lmhead_output use_adam_mini use_apollo use_asft_loss
        use_audio_in_video use_cache use_dft_loss use_eaft_loss use_fast_tokenizer use_hyper_parallel use_kt
        use_kv_cache use_mca use_muon use_reentrant_gc use_unsloth use_unsloth_gc use_v1_kernels video_fps
        video_max_pixels video_maxlen video_min_pixels vllm_enforce_eager vllm_gpu_util vllm_max_lora_rank
        vllm_maxlen
        """
    ),
    # Their types say no more than "a mapping": these are the keys that transformers 5.5.4 reads itself.
    *names(
        "dispatch_batches even_batches non_blocking split_batches use_configured_state use_seedable_sampler",
        inside="accelerator_config",
    ),
    *names(
        "adjust_scheduler num_steps sync_each_batch sync_with_dataloader",
        inside="accelerator_config.gradient_accumulation_kwargs",
    ),
    *names(
        """
        activation_checkpointing backward_prefetch cpu_ram_efficient_loading forward_prefetch
        limit_all_gathers min_num_params reshard_after_forward state_dict_type sync_module_states
        transformer_layer_cls_to_wrap use_orig_params version
        """,
        inside="fsdp_config",
    ),
    *names(
        "debug determinism_check preserve_rng_state use_reentrant", inside="gradient_checkpointing_kwargs"
    ),
    *names(
        """
        cooldown decay_type eps factor lr_end min_lr min_lr_rate min_lr_ratio mode num_cycles
        num_decay_steps num_stable_steps patience power threshold threshold_mode timescale warmup_type
        """,
        inside="lr_scheduler_kwargs",
    ),
    "liger_kernel_config.*",
)

# Keys that Conch renders itself: the recipe's sections set them, or a proof depends on them.
_OWNED = {
    "model_name_or_path": "model.base",
    "adapter_name_or_path": "model.base",
    "trust_remote_code": "model.base",
    "do_predict": "verify",
    "dataset_dir": "data.dataset",
    "tokenized_path": "data.dataset",
    "streaming": "data.dataset",
    "output_dir": "export",
    "overwrite_output_dir": "export",
    "resume_from_checkpoint": "train",
    "export_dir": "export",
    "export_size": "export.shard_size_gb",
    "export_hub_model_id": "export",
    "model_revision": "model.revision",
    "local_rank": "launch",
    "export_device": "export",
    "export_legacy_format": "export",
    "export_quantization_bit": "export",
    "export_quantization_maxlen": "export",
    "export_quantization_nsamples": "export",
}
# Of these, another value than Conch's makes a run wrong, but opens nothing.
_OWNED_PLAIN = {
    "stage": "train.kind",
    "do_train": "train.method",
    "finetuning_type": "train.method",
    "dataset": "data.dataset",
    "eval_dataset": "data.validation",
    "val_size": "data.validation_share",
    "cutoff_len": "data.cutoff_len",
    "max_samples": "data.max_samples",
    "template": "template.name",
    "enable_thinking": "template.thinking",
    "mask_history": "template.history",
    "preserve_thinking": "template.history",
    "default_system": "template.name",
    "tool_format": "template.name",
    "infer_dtype": "train.compute_type",
    "lora_rank": "train.lora_rank",
    "lora_alpha": "train.lora_alpha",
    "lora_dropout": "train.lora_dropout",
    "lora_target": "train.lora_target",
    "use_dora": "train.dora",
    "use_rslora": "train.rslora",
    "pissa_init": "train.pissa",
    "pissa_convert": "train.pissa",
    "pissa_iter": "train.pissa",
    "loraplus_lr_ratio": "train.lora_plus",
    "additional_target": "train.additional_target",
    "quantization_bit": "train.quantization_bit",
    "freeze_trainable_layers": "train.freeze_layers",
    "freeze_trainable_modules": "train.freeze_modules",
    "use_llama_pro": "train.llama_pro",
    "use_galore": "train.optimizer",
    "use_badam": "train.optimizer",
    "neftune_noise_alpha": "train.neftune",
    "packing": "train.packing",
    "neat_packing": "train.packing",
    "enable_liger_kernel": "train.liger",
    "use_liger_kernel": "train.liger",
    "learning_rate": "train.learning_rate",
    "num_train_epochs": "train.epochs",
    "max_steps": "train.max_steps",
    "max_grad_norm": "train.max_grad_norm",
    "bf16": "train.compute_type",
    "fp16": "train.compute_type",
    "pure_bf16": "train.compute_type",
    "use_cpu": "hardware.profile",
    "per_device_train_batch_size": "train.batch_size",
    "gradient_accumulation_steps": "train.gradient_accumulation",
    "lr_scheduler_type": "train.scheduler",
    "warmup_ratio": "train.warmup_ratio",
    "warmup_steps": "train.warmup_steps",
    "seed": "train.seed",
    "logging_steps": "train.logging_steps",
    "save_steps": "train.save_steps",
    "save_strategy": "train.save_steps",
    "enable_jit_checkpoint": "train.save_steps",
    "weight_decay": "train.weight_decay",
    "early_stopping_steps": "train.early_stopping",
    "load_best_model_at_end": "train.early_stopping",
    "metric_for_best_model": "train.early_stopping",
    "disable_gradient_checkpointing": "train.gradient_checkpointing",
    "plot_loss": "train",
    "pref_loss": "preference.loss",
    "pref_beta": "preference.beta",
    "simpo_gamma": "preference.gamma",
    "dpo_label_smoothing": "preference.label_smoothing",
    "pref_ftx": "preference.sft_weight",
    "pref_bco_weight": "preference.bco_weight",
    "kto_chosen_weight": "preference.liked_weight",
    "kto_rejected_weight": "preference.disliked_weight",
    "reward_model_type": "ppo.reward",
    "ppo_epochs": "ppo.epochs",
    "ppo_buffer_size": "ppo.buffer_size",
    "ppo_target": "ppo.target_kl",
    "ppo_score_norm": "ppo.score_norm",
    "ppo_whiten_rewards": "ppo.whiten_rewards",
    "max_new_tokens": "ppo.max_new_tokens",
    "temperature": "ppo.temperature",
    "top_p": "ppo.top_p",
    "top_k": "ppo.top_k",
}

_PATHS = """
    adapter_folder cache_dir export_quantization_dataset generation_config hyper_parallel_args
    kt_expert_checkpoint_path kt_weight_path logging_dir media_dir new_special_tokens_config offload_folder
    profiler_output_dir ref_model ref_model_adapters reward_model_adapters swanlab_logdir
"""
_UPLOADS = """
    hub_always_push hub_model_id hub_private_repo hub_revision hub_strategy push_to_hub swanlab_mode
    swanlab_project swanlab_run_name swanlab_workspace trackio_space_id use_swanlab
"""
_NOT_PASSED = "export SWANLAB_API_KEY in a shell where you train yourself: Conch gives it to no training"

OPTIONS = OptionTable(
    program="LLaMA-Factory",
    versions={"llamafactory": "0.9.5", "transformers": "5.5.4"},
    options=together(
        safe(_SAFE),
        only({"flash_attn": "auto disabled sdpa fa2"}, "it would load code from a hub"),
        only({"infer_backend": "huggingface"}),
        only({"report_to": "none tensorboard"}, "it sends the training's numbers to a service"),
        only({"torch_compile_backend": "aot_eager cudagraphs eager inductor"}),
        owned(_OWNED),
        owned(_OWNED_PLAIN, harmless=True),
        refused(Risk.PATH, names(_PATHS)),
        refused(Risk.PATH, names("deepspeed"), "its configuration names files, and commands that it starts"),
        refused(Risk.CODE, names("parallelism_config sglang_config vllm_config")),
        refused(Risk.CODE, names("reward_model"), "it loads a pickle, which can run code"),
        refused(Risk.PORT, names("master_addr master_port")),
        refused(
            Risk.PORT,
            names("ray_init_kwargs ray_num_workers"),
            "ray's ports have no password (CVE-2023-48022)",
        ),
        refused(Risk.PORT, names(_UPLOADS), "a training uploads nothing by itself"),
        refused(Risk.SECRET, names("hf_hub_token hub_token"), instead="set HF_TOKEN in the environment"),
        refused(Risk.SECRET, names("ms_hub_token"), instead="set MODELSCOPE_API_TOKEN in the environment"),
        refused(Risk.SECRET, names("om_hub_token")),
        refused(
            Risk.SECRET,
            names("swanlab_api_key swanlab_lark_secret swanlab_lark_webhook_url"),
            instead=_NOT_PASSED,
        ),
    ),
)
